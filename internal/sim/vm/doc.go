// Package vm is the simulated crosvm: a process that is one running device. It opens the instance's
// overlay, runs the guest on it, serves the guest's ADB and obeys its control socket.
//
// Words: the *guest* is the simulated Android (internal/sim/guest) whose files live in the userdata range
// of the virtual disk. The *script* is the faults of the host; device faults take effect while the VM
// runs. *Power* ends abruptly: "crosvm stop" is a power cut, after which the guest finds only what it
// had synced.
//
// Exit statuses as process_restarter sees them: 0 for a stop or a power-off, 32 for a reboot, else a
// crash. What happens during the boot goes to the kernel log and, line by line, to file descriptor 3.
//
// The package refuses crosvm's own messages on the control socket: it speaks to "crosvm stop" of the same
// binary only.
//
//	os.Exit(vm.Program(simroot.Call{Root: root, Args: os.Args[1:], Out: os.Stdout, Err: os.Stderr}))
package vm
