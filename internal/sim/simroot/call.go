package simroot

import "io"

// Call is one run of a program of the simulated host.
type Call struct {
	Root *Root
	Args []string // without the program
	Out  io.Writer
	Err  io.Writer
}
