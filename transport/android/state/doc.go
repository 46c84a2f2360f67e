// Package state is the routes that say what state a device is in, and put it into another: properties, rotation,
// place, language, time zone, battery, radio, animations, clipboard, and what it shows of a URL.
//
// Words: a *change* is lines of shell that each must succeed, and questions behind them, in one use of the
// device: what a route answers is what the device said afterwards, never what it was told. A command that a release of Android
// does not have is found out by its own words, and 501; one that refuses is 422 with its words.
//
//	android.Mount(srv, state.New(kit).Routes())
package state
