package vm

import (
	"context"
	"fmt"
	"os"
	"time"

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

// boot plays the boot: lines in the kernel log, adbd, and at the end the news for run_cvd.
func (m *machine) boot(ctx context.Context, p bootParts) {
	faults := inject.Decode(os.Getenv(inject.Variable))
	total := time.Duration(float64(m.root.BootTime) * bootShare)
	if slow, ok := faults.Find("slow_boot"); ok {
		total += slow.Seconds(time.Minute)
	}
	news := events()
	defer news.Close()
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
	if faults.Has("boot_failed") {
		steps = append(steps[:6], step{0.7, "VIRTUAL_DEVICE_BOOT_FAILED: Dependencies not ready after 10 checks", nil})
	}
	begin := time.Now()
	for _, s := range steps {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(begin.Add(time.Duration(s.at * float64(total))))):
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
	if faults.Has("boot_failed") {
		fmt.Fprintln(news, "failed")
		return
	}
	close(p.booted)
	fmt.Fprintln(news, "booted")
}
