// Package tty is the line discipline between the keyboard of a terminal and the programs on it.
//
// A [Terminal] gets keystrokes by Input and hands whole lines on, as canonical mode does: it
// echoes, edits (backspace, ^W, ^U), turns ^C and ^\ into signals and ^D into the end of input for
// whoever reads next. What programs print passes through Write, where lines end in CR LF. In raw
// mode it passes everything on as it is.
//
// The input side of a program is a host descriptor, because the shell's interpreter insists on
// one; the end of input cannot be sent through it without ending it for good, so ends are marks
// that Terminal keeps beside the stream, and readers come through [Terminal.Read].
//
// Left out: job control (^Z), flow control (^S, ^Q), VMIN and VTIME.
package tty
