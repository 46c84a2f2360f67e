// Package toolbox is the door that Daytona's proxy, SDKs and agents use a sandbox through: the
// routes of the daemon that runs inside ordinary sandboxes, served here for Android over ADB.
//
// Its routes lie in packages of one noun each: process (commands), files, info (version and directories). Nothing that a
// user sends reaches a shell of the host.
//
//	toolbox.Mount(srv, process.New(leases, shell, process.Options{Log: log}).Routes())
package toolbox
