// Package toolbox is the door that Daytona's proxy, SDKs and agents use a sandbox through: the
// routes of the daemon that runs inside ordinary sandboxes, served here for Android over ADB.
//
// Words: a lease is the right to use a device while it is started; a script is what the guest's
// shell reads on its standard input.
//
// Nothing that a user sends reaches a shell of the host. The door keeps nothing between
// requests.
//
//	doors := toolbox.New(asker, shell, toolbox.Options{MaxOutput: 16 << 20, Log: log})
//	for _, prefix := range toolbox.Prefixes() {
//		srv.Mount(prefix, doors.Routes())
//	}
package toolbox
