// Package apps is the routes for the apps of a device: install, uninstall, list, start, stop, and what they may do.
//
// Words: a wish is how something is to be installed; a payload is what a request brought, one APK that goes by or files
// that are held; a spool is a file without a name in which an upload waits; a part is one APK on its way into the device.
//
//	door := apps.New(kit, guest, starter, apps.Options{SpoolDir: dir})
//	android.Mount(server, door.Routes())
//
// An APK whose size is known, and which is seen to be one by its first bytes, goes into the device as it arrives, as
// adb's do. All else is spooled first: forms, archives, bodies in chunks. Nothing is left of an installation that fails:
// spools have no name, the device drops what it was sent half of, and sessions are abandoned.
//
// Everything here comes from strangers: names are checked by grammar and quoted, intents are made of typed fields,
// and what a device prints is bounded.
package apps
