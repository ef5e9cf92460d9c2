"""What the end-to-end tests share: Go releases and builds, running targets, running gospect."""
