// Package android is the routes that are about Android itself: apps, logs, the tree of the screen, the device's
// state, recordings, tunnels. Each family is a package below this one; here is what they share.
//
// Words: a [Kit] reaches devices; a [Use] is one request's use of one device, on a lease, bounded in time.
//
//	android.Mount(srv, apps.New(kit, apps.Options{}).Routes())
//
// The routes are served below the sandbox and below its toolbox alike: Daytona's proxy forwards nothing but the
// toolbox, so only there its users reach them.
package android
