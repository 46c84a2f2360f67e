package messages

import "github.com/daytonaio/runner-android/internal/sandbox"

// ReserveInstance asks the allocator for an instance number and for the host's promise of
// the resources. Sent by sandbox actors; answered with [InstanceReserved] after the mapping
// is on disk. A sandbox that holds a number keeps it unless it is in Avoid. Exhausted when
// no number or not enough of the host is left, with the sums.
type ReserveInstance struct {
	ID        sandbox.ID
	Resources sandbox.Resources
	Avoid     []sandbox.Instance // numbers found taken by strangers
}

// InstanceReserved answers ReserveInstance.
type InstanceReserved struct{ Instance sandbox.Instance }

// ClaimInstance asks for one number, without resources, for a sandbox that has it already: its device is found
// stopped or running. Answered with Done, or Conflict when another sandbox holds it.
type ClaimInstance struct {
	ID       sandbox.ID
	Instance sandbox.Instance
}

// ReleaseInstance gives back number and resources. Sent by sandbox actors; answered with Done
// after the mapping is on disk; a sandbox that holds nothing is Done.
type ReleaseInstance struct{ ID sandbox.ID }

// ParkInstance gives back the memory and CPUs of a sandbox that stopped; number and disk stay
// its own. Sent by sandbox actors; answered with Done. The next ReserveInstance asks for them
// again.
type ParkInstance struct{ ID sandbox.ID }

// InstanceMeasured is the event that a running device's memory was measured. Told to the
// allocator by sandbox actors; not answered.
type InstanceMeasured struct {
	ID       sandbox.ID
	MemoryMB int // proportional share (PSS) of its processes, MiB
}
