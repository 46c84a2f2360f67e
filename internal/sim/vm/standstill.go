package vm

import (
	"context"
	"fmt"
	"image"
	"io"
	"sync"

	"github.com/daytonaio/runner-android/internal/sim/freeze"
	"github.com/daytonaio/runner-android/internal/sim/guest"
	"github.com/daytonaio/runner-android/internal/sim/guest/ui"
	"github.com/daytonaio/runner-android/internal/sim/guestfs"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// standstill is the state of a VM's processors and devices. The guest's commands, its ADB, its screen and its files come
// to the gate or to the frozen file system; what the guest has not written out stays in its memory.
type standstill struct {
	gate freeze.Gate

	mu     sync.Mutex
	files  *guestfs.FS
	disk   *disk
	frozen *guestfs.Frozen // nil while the processors run
	asleep bool            // the devices too
}

func (s *standstill) attach(files *guestfs.FS, d *disk) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files, s.disk = files, d
}

// errAsleep is EINVAL as crosvm's client sees it; the reason is in its log.
var errAsleep = simroot.Saidf("Invalid argument (os error 22)")

// suspend stops the processors, and with full the devices. When it returns nothing of the guest reaches a file, and what did is
// on the host's disk. Once more is no error (crosvm vm_control/src/lib.rs, VmRequest::SuspendVcpus and SuspendVm).
func (s *standstill) suspend(full bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asleep = s.asleep || full
	if s.frozen == nil {
		s.gate.Close()
		s.frozen = s.files.Freeze()
	}
	return s.disk.image.Sync()
}

// resume lets the processors run, if the devices do: with full these are woken first. A VM that runs goes on running
// (VmRequest::ResumeVcpus and ResumeVm).
func (s *standstill) resume(full bool, log io.Writer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asleep && !full {
		fmt.Fprintln(log, "crosvm: Trying to wake Vcpus while Devices are asleep. Did you mean to use `crosvm resume --full`?")
		return errAsleep
	}
	s.asleep = false
	s.thaw()
	return nil
}

func (s *standstill) thaw() {
	if s.frozen != nil {
		s.frozen.Thaw()
		s.frozen = nil
		s.gate.Open()
	}
}

// memory writes what the guest holds in memory into its files, which is what a snapshot of the memory is here.
func (s *standstill) memory() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen == nil {
		return s.files.Sync()
	}
	return s.frozen.Flush()
}

// cutPower ends a standstill for good: what waits in it goes nowhere. It reports whether there was one.
func (s *standstill) cutPower() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen == nil {
		return false
	}
	s.disk.off.Store(true)
	s.thaw()
	return true
}

// glass is a panel on which nothing changes, and nothing is felt, while the VM stands still.
type glass struct {
	*guest.Panel
	gate *freeze.Gate

	mu   sync.Mutex
	mark uint64 // of the last picture
}

// Mark implements display.Panel.
func (g *glass) Mark() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.gate.Closed() {
		g.mark = g.Panel.Mark()
	}
	return g.mark
}

// Finger implements display.Panel. What is touched waits, as in the queue of a device that is not served.
func (g *glass) Finger(a ui.Action, at image.Point) {
	_ = g.gate.Wait(context.Background()) // the gate opens at the end of the VM
	g.Panel.Finger(a, at)
}

// Key implements display.Panel.
func (g *glass) Key(code uint16, down bool) {
	_ = g.gate.Wait(context.Background()) // as above
	g.Panel.Key(code, down)
}
