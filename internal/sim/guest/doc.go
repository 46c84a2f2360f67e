// Package guest is the simulated Android userland: files, properties, processes and a shell.
//
// Words: a [Guest] is one boot of the device on a disk. A *process* is a row of its process table,
// run by a goroutine; a [Session] is the process group of one shell that adbd starts, with the
// shell as its leader (its pid is the group's). The shell is mvdan.cc/sh with every handler set;
// what its handlers cannot see is rewritten before it runs ($$, $!, $0, ~user, background jobs,
// pipelines), so that scripts see the guest's process table and files and never the host's. The
// commands are those of package toybox.
//
// It behaves as Android's mksh where scripts commonly notice (echo, exit codes, script from
// stdin); it refuses what the interpreter cannot do: descriptors above 2, coprocesses, name
// references, job control. A trap on a signal runs before the next simple command.
//
//	g, err := guest.Boot(vfs.OnDisk(fsys), guest.Options{Serial: "CUTTLEFISHCVD01"})
//	...
//	s, err := g.Start(guest.Spec{Script: "getprop ro.product.model", Stdout: &out, Stderr: &errs})
//	status := s.Wait()
package guest
