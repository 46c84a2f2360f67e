package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain lets the test binary play the baseline server, as the program does for itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == bareRole {
		exit(serveBare(os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}
