package vm

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/display"
	"github.com/daytonaio/runner-android/internal/sim/inject"
)

// guestLog is a log with the seconds since the guest's start: its console, and its logcat.
type guestLog struct {
	file  *os.File
	start time.Time
}

func openGuestLog(path string) (*guestLog, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("log of the guest: %w", err)
	}
	return &guestLog{file: f, start: time.Now()}, nil
}

func (k *guestLog) printf(format string, args ...any) {
	line := fmt.Sprintf("[%12.6f] "+format+"\n", append([]any{time.Since(k.start).Seconds()}, args...)...)
	_, _ = k.file.WriteString(line) // a full disk must not stop the guest
}

// Close closes the file.
func (k *guestLog) Close() { k.file.Close() }

// bootParts is what a boot works on.
type bootParts struct {
	kernel *guestLog
	logcat *guestLog
	guest  *guestSystem
	adb    *adbGate
	panel  *display.Server
	booted chan struct{} // closed at the end
	end    func(ending)
}

// step is a moment of the boot, as a fraction of its time.
type step struct {
	at   float64
	line string
	do   func() error
}

// bootShare is the part of the host's boot time that passes inside the VM; the rest is the assembly's.
const bootShare = 0.85

// restoreSpeed is how much faster a guest is back from a snapshot of its memory.
const restoreSpeed = 6

// boot plays the boot: lines in the kernel log, adbd, and at the end the news for run_cvd.
func (m *machine) boot(ctx context.Context, p bootParts) {
	faults := inject.Decode(os.Getenv(inject.Variable))
	total := time.Duration(float64(m.root.BootTime) * bootShare)
	if m.restore {
		total /= restoreSpeed
	}
	if slow, ok := faults.Find("slow_boot"); ok {
		total += slow.Seconds(time.Minute)
	}
	news := events()
	defer news.Close()
	p.panel.Tell(display.Event{Name: display.BootStarted})
	steps := []step{
		{0, "Linux version 6.6.30-android15 (simulated) #1 SMP PREEMPT", nil},
		{0.1, "init: init first stage started!", nil},
		{0.2, "init: starting service 'ueventd'...", nil},
		{0.35, "init: starting service 'adbd'...", p.adb.open},
		{0.5, "init: starting service 'zygote'...", func() error {
			p.logcat.printf("Zygote  : Preloading resources...")
			return nil
		}},
		{0.6, "init: starting service 'bootanim'...", nil},
		{0.9, "init: service 'bootanim' exited, processing sys.boot_completed=1", func() error {
			p.guest.setBooted()
			p.logcat.printf("ActivityManager: Posting BOOT_COMPLETED user #0")
			return nil
		}},
		{1, "VIRTUAL_DEVICE_BOOT_COMPLETED", nil},
	}
	switch {
	case len(p.guest.locked) > 0:
		// As where the key blobs of /metadata are another keymint's: vold gives up, and init with it.
		what := "vold: keymint: INVALID_KEY_BLOB: /data cannot be unlocked: not the host files that it was encrypted with: " +
			strings.Join(p.guest.locked, ", ")
		fmt.Fprintln(m.log, what)
		steps = append(steps[:3], step{0.3, what, nil}, step{0.35, "VIRTUAL_DEVICE_BOOT_FAILED: init: mount of /data failed", nil})
	case faults.Has("boot_failed"):
		steps = append(steps[:6], step{0.7, "VIRTUAL_DEVICE_BOOT_FAILED: Dependencies not ready after 10 checks", nil})
	case faults.Has("boot_timeout"):
		steps = append(steps[:6], step{0.7, "init: Waiting for service 'zygote'...", nil})
	}
	if len(p.guest.missed) > 0 {
		p.kernel.printf("vold: not the disks and locks of before: %s", strings.Join(p.guest.missed, ", "))
	}
	begin := time.Now()
	for _, s := range steps {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(begin.Add(time.Duration(s.at * float64(total))))):
		}
		if m.still.gate.Wait(ctx) != nil {
			return
		}
		p.kernel.printf("%s", s.line)
		if s.do == nil {
			continue
		}
		if err := s.do(); err != nil {
			m.crash(err)
			p.end(ending{code: exitCrashed})
			return
		}
	}
	switch {
	case len(p.guest.locked) > 0, faults.Has("boot_failed"):
		fmt.Fprintln(news, "failed")
		return
	case faults.Has("boot_timeout"):
		<-ctx.Done() // it goes on for ever
		return
	}
	close(p.booted)
	p.panel.Tell(display.Event{Name: display.BootCompleted})
	fmt.Fprintln(news, "booted")
}
