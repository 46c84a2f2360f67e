package messages

import "github.com/daytonaio/runner-android/internal/sandbox"

// Addressed is a message for one sandbox.
type Addressed interface{ Sandbox() sandbox.ID }

// Done answers commands that have nothing else to say.
type Done struct{}

// CreateSandbox makes a sandbox and boots its device. Sent by doors; answered with
// sandbox.Info when Android has booted (or, with Spec.SkipStart, when the sandbox is known).
// Idempotent: in creating it waits for the same create, in started it answers at once, in
// stopped it starts. In error it tries again. Conflict while stopping or destroying.
type CreateSandbox struct {
	ID   sandbox.ID
	Spec sandbox.Spec
}

// StartSandbox boots a stopped device, with its files. Sent by doors; answered with
// sandbox.Info when Android has booted. In started it answers at once, in starting it waits
// for the same start. NotFound for an unknown id; Conflict while creating, stopping or destroying.
type StartSandbox struct {
	ID       sandbox.ID
	Metadata map[string]string // replaces the stored metadata when not nil
}

// StopSandbox halts the device and keeps its disks. Sent by doors; answered with
// sandbox.Info. In stopped it answers at once. Force leaves out the guest's sync.
// NotFound for an unknown id; Conflict while creating, starting or destroying.
type StopSandbox struct {
	ID    sandbox.ID
	Force bool
}

// DestroySandbox removes the device and all it left on the host. Sent by doors; answered
// with Done when that was verified. Lawful in every state: an operation in flight is
// cancelled first. An unknown id is Done.
type DestroySandbox struct{ ID sandbox.ID }

// RecoverSandbox restarts a device that is not as it should be: what is left of it is ended, and it
// boots with its files. Sent by doors; answered with sandbox.Info. A device that runs as it should
// is left alone, and an operation that boots it is waited for. SkipStart leaves it stopped instead.
// NotFound for an unknown id; Conflict while stopping or destroying.
type RecoverSandbox struct {
	ID        sandbox.ID
	SkipStart bool
}

// ResizeSandbox changes what the sandbox is promised; zero fields stay. Sent by doors; answered with
// sandbox.Info once it is on record. CPUs and memory count from the next start. The disk can only
// grow (Invalid), only while stopped (Conflict), and only before the device has booted for the first
// time (Unsupported). NotFound for an unknown id; Conflict while an operation is in flight.
type ResizeSandbox struct {
	ID        sandbox.ID
	Resources sandbox.Resources
}

// UpdateNetworkSettings changes what is on record of the sandbox's network. Sent by doors; answered
// with sandbox.Info, or Unsupported when the settings forbid something: they are recorded then too,
// and nothing enforces them. NotFound for an unknown id.
type UpdateNetworkSettings struct {
	ID     sandbox.ID
	Change sandbox.NetworkChange
}

// ForgetSandbox drops what the runner remembers of a sandbox that holds nothing on the host.
// Sent by doors; answered with Done, also for an unknown id. Conflict while a device exists.
type ForgetSandbox struct{ ID sandbox.ID }

// GetSandbox asks for what is known now. Answered at once, in every state, with
// sandbox.Info; an unknown id is answered with state destroyed.
type GetSandbox struct{ ID sandbox.ID }

// GetTransitions asks what a sandbox went through. Sent by doors; answered at once, in every state, with
// [Transitions]. NotFound for an unknown id.
type GetTransitions struct{ ID sandbox.ID }

// Transitions answers GetTransitions: the last ones, oldest first, also of earlier runners. Shared: never
// modify them.
type Transitions struct {
	ID          sandbox.ID
	Transitions []sandbox.Transition
}

// ListSandboxes asks for all sandboxes. Answered with [SandboxList], ordered by id; a
// sandbox that did not answer in time is listed as unknown.
type ListSandboxes struct{}

// SandboxList answers ListSandboxes.
type SandboxList struct{ Sandboxes []sandbox.Info }

// AttachSandbox asks for the use of a started device. Sent by doors that stream beside the
// actor; answered with [Lease]. Conflict when the device is not started ("is the sandbox
// started?"), NotFound for an unknown id.
type AttachSandbox struct{ ID sandbox.ID }

// Lease is the right to use a device until Done closes, which happens when it leaves started.
type Lease struct {
	Serial string          // name of the device in the ADB pool
	Done   <-chan struct{} // closed when the device is no longer started
	Usage  *Usage          // counts its uses; nil where nobody wants to know
}

// Sandbox returns the id that the message is for.
func (m CreateSandbox) Sandbox() sandbox.ID { return m.ID }

// Sandbox returns the id that the message is for.
func (m StartSandbox) Sandbox() sandbox.ID { return m.ID }

// Sandbox returns the id that the message is for.
func (m StopSandbox) Sandbox() sandbox.ID { return m.ID }

// Sandbox returns the id that the message is for.
func (m DestroySandbox) Sandbox() sandbox.ID { return m.ID }

// Sandbox returns the id that the message is for.
func (m RecoverSandbox) Sandbox() sandbox.ID { return m.ID }

// Sandbox returns the id that the message is for.
func (m ResizeSandbox) Sandbox() sandbox.ID { return m.ID }

// Sandbox returns the id that the message is for.
func (m UpdateNetworkSettings) Sandbox() sandbox.ID { return m.ID }

// Sandbox returns the id that the message is for.
func (m ForgetSandbox) Sandbox() sandbox.ID { return m.ID }

// Sandbox returns the id that the message is for.
func (m GetSandbox) Sandbox() sandbox.ID { return m.ID }

// Sandbox returns the id that the message is for.
func (m GetTransitions) Sandbox() sandbox.ID { return m.ID }

// Sandbox returns the id that the message is for.
func (m AttachSandbox) Sandbox() sandbox.ID { return m.ID }

// Sandbox implements Addressed.
func (m BackUpSandbox) Sandbox() sandbox.ID { return m.ID }

// Sandbox implements Addressed.
func (m BeginBackUp) Sandbox() sandbox.ID { return m.ID }
