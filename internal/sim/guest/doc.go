// Package guest is the simulated Android userland: files, properties, processes and a shell.
//
// Words: a [Guest] is one boot of the device on a disk. A *process* is a row of its process table,
// run by a goroutine; a [Session] is the process group of one shell that adbd starts, with the
// shell as its leader (its pid is the group's). The shell is mvdan.cc/sh with every handler set;
// what its handlers cannot see is rewritten before it runs ($$, $!, $0, ~user, background jobs,
// pipelines), so that scripts see the guest's process table and files and never the host's. The
// commands are those of package toybox.
//
// It behaves as Android's mksh where scripts commonly notice (echo, messages, exit codes, script
// from stdin; package truth compares them); it refuses what the interpreter cannot do: coprocesses,
// name references, job control. Descriptors above 2 and named pipes are the shell's own (see
// redirect.go). A trap on a signal runs before the next simple command. A session may have a
// terminal, whose line discipline is package tty.
//
// Beside the shell there are the screen ([Guest.Phone], [Guest.Framebuffer]; packages ui, screen,
// input and android), apps ([Guest.Packages]; packages apk, packages, intent and activity) and
// ports ([Guest.DialPort]; packages ports and web).
//
//	g, err := guest.Boot(vfs.OnDisk(fsys), guest.Options{Serial: "CUTTLEFISHCVD01"})
//	...
//	s, err := g.Start(guest.Spec{Script: "getprop ro.product.model", Stdout: &out, Stderr: &errs})
//	status := s.Wait()
package guest
