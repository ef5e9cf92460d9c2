//go:build cgo

package main

/*
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 3, SIGNAL = 44 };
static _Atomic uint64_t rounds, bad, sent, got, sum_sent, sum_got;
static const char *_Atomic why;

static void wrong(const char *what)
{
	why = what;
	bad++;
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	sum_got += (uint64_t)info->si_value.sival_int;
	got++;
}

static int64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

// No signal comes to these threads, so no call of theirs is ever interrupted.
static void *worker(void *arg)
{
	int ends[2];
	volatile double want = 0;
	for (int i = 0; i < 10000; i++)
		want = want * 0.5 + i;
	if (pipe(ends) != 0)
		wrong("pipe");
	for (;;) {
		double f = 0;
		for (int i = 0; i < 10000; i++)
			f = f * 0.5 + i;
		if (f != want)
			wrong("calculation");
		int64_t begun = now();
		struct timespec nap = {.tv_nsec = 1000000};
		if (nanosleep(&nap, NULL) != 0)
			wrong("nanosleep was interrupted");
		if (now() - begun < 1000000)
			wrong("nanosleep was too short");
		char byte = (char)rounds, back = 0;
		if (write(ends[1], &byte, 1) != 1 || read(ends[0], &back, 1) != 1 || byte != back)
			wrong("pipe");
		rounds++;
	}
}

static void *short_lived(void *arg)
{
	return arg;
}

// Threads that come and go, and queued signals with a number each: none may be lost or doubled.
static void *sender(void *arg)
{
	for (uint64_t i = 1;; i++) {
		pthread_t t;
		void *back = NULL;
		if (pthread_create(&t, NULL, short_lived, &t) == 0)
			pthread_join(t, &back);
		if (back != &t)
			wrong("thread");
		union sigval v = {.sival_int = (int)(i & 0xffff)};
		if (sigqueue(getpid(), SIGNAL, v) == 0) {
			sum_sent += (uint64_t)v.sival_int;
			sent++;
		}
		if (i % 8 == 0)
			usleep(500);
		while (sent - got > 100)
			usleep(100);
	}
}

static void start_c(void)
{
	struct sigaction action = {.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
	sigset_t all, old;
	pthread_t t;
	sigaction(SIGNAL, &action, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (int i = 0; i < WORKERS; i++)
		pthread_create(&t, NULL, worker, NULL);
	pthread_create(&t, NULL, sender, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static uint64_t c_rounds(void) { return rounds; }
static uint64_t c_bad(void) { return bad; }
static const char *c_why(void) { return why; }
static uint64_t c_got(void) { return got; }
// A signal is counted as sent a moment after it may have been counted as got.
static int c_doubled(void) { uint64_t g = got; usleep(1000); return g > sent; }
static int c_settled(void) { return got == sent && sum_got == sum_sent; }
static void c_nap(void) { usleep(3000); }
*/
import "C"

import (
	"errors"
	"fmt"
	"time"
)

// beginC starts threads that Go knows nothing of, and goroutines that call C and look at the results.
func beginC() {
	C.start_c()
	before := uint64(0)
	begin("c", func() error {
		for uint64(C.c_rounds()) == before {
			time.Sleep(time.Millisecond)
		}
		before = uint64(C.c_rounds())
		if C.c_bad() != 0 {
			return fmt.Errorf("%s", C.GoString(C.c_why()))
		}
		return nil
	})
	begin("csignals", func() error {
		if C.c_doubled() != 0 {
			return errors.New("more signals came than were sent")
		}
		got := C.c_got()
		for C.c_got() == got { // a lost one leaves the sender waiting in the end
			time.Sleep(time.Millisecond)
		}
		for C.c_settled() == 0 {
			time.Sleep(20 * time.Microsecond)
		}
		return nil
	})
	begin("ccalls", func() error { C.c_nap(); return nil })
}
