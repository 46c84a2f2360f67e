// Package toolbox is the door that Daytona's proxy, SDKs and agents use a sandbox through: the
// routes of the daemon that runs inside ordinary sandboxes, served here for Android over ADB.
//
// Its routes lie in packages of one noun each: info (version and directories), files, process (one command), session
// (shells that stay), pty (terminals), computer (screen and input), ports (what listens in the guest), and unsupported
// (what Android has nothing for). Nothing that a user sends reaches a shell of the host.
//
//	toolbox.Mount(srv, process.New(leases, shell, process.Options{Log: log}).Routes())
package toolbox
