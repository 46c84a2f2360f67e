// Package vm is the simulated crosvm: a process that is one running device. It opens the instance's
// overlay, runs the guest on it, serves the guest's ADB and obeys its control socket.
//
// Words: the *guest* is the simulated Android (internal/sim/guest) whose files live in the userdata range
// of the virtual disk. The *script* is the faults of the host; device faults take effect while the VM
// runs. *Power* ends abruptly: "crosvm stop" is a power cut, after which the guest finds only what it
// had synced. A *standstill* is between "crosvm suspend" and "crosvm resume": the guest waits at a gate
// (internal/sim/freeze) and its file system is frozen.
//
// Exit statuses as process_restarter sees them: 0 for a stop or a power-off, 32 for a reboot, else a
// crash. What happens during the boot goes to the kernel log and, line by line, to file descriptor 3.
//
// The package refuses crosvm's own messages on the control socket: it speaks to crosvm of the same binary
// only. It saves no processes: the memory of a guest is what it has not yet written to its files.
//
//	os.Exit(vm.Program(simroot.Call{Root: root, Args: os.Args[1:], Out: os.Stdout, Err: os.Stderr}))
package vm
