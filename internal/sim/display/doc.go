// Package display connects the two processes that a device's screen passes: the VM, whose guest draws it and is
// touched, and webRTC, which shows it to viewers.
//
// Words: the *panel* is the guest's glass, touch sensor and keyboard, in the VM. The *socket directory* is the
// instance's internal one, with the sockets that the VM makes: frames.sock, touch_0.sock and keyboard.sock.
//
// On frames.sock the reader asks with one byte: 'n' for the next picture that differs from the last it got, 'r'
// for the present one, 'p' to ask no more. The VM answers with messages: a kind ('F' picture, 'E' event), the
// picture's width and height and the length as little-endian words (2, 2 and 4 bytes), then RGBA pixels or JSON.
// So at most one picture is on its way, and none unless somebody watches. The other two carry virtio-input
// events towards the VM.
//
//	server, err := display.Serve(dir, guest.Panel())              // in the VM
//	screen := display.NewScreen(dir)                               // in webRTC, and screen.Run
//	picture, err := screen.Next(ctx, false)
package display
