// Package guestshelltest runs scripts meant for a device's guest on the machine that tests: in Debian's mksh with
// toybox's commands, which are what Android has, or in whatever sh there is.
//
//	shell := guestshelltest.Genuine(t) // skips without mksh and toybox
package guestshelltest
