//go:build go1.23 && !go1.27

//go:debug asynctimerchan=0

package main

// The go.mod of the targets asks for timers as they were until 1.22; bubbles refuse those.
