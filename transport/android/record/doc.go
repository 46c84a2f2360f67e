// Package record films the screen of devices with Android's screenrecord and keeps the films in them, for the
// routes of Android and, in Daytona's words, for those of computer use.
//
// Words: a [Recording] is one film. It has a directory in the device, with the film, what was asked for, and, once
// screenrecord has ended, how; nothing is kept here. So a recording goes on when its client or the runner is gone, and
// what a device says of it is the truth after any restart. One is made at a time.
//
// It is stopped by SIGINT, upon which screenrecord writes the index without which no player can open the file. A
// device that goes down leaves a film without one: its recording has failed. Each ends after 180 seconds at the
// latest, which is as long as screenrecord films on all releases. The oldest are removed when there are more than Options.Keep.
//
//	door := record.New(kit, devices, shell, record.Options{})
//	android.Mount(srv, door.Routes())
//	toolbox.Mount(srv, door.ComputerRoutes())
package record
