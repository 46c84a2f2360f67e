package verdict

import "strings"

// powerDownLines is how near to its end a kernel's log must say that the power goes: the log goes on over boots.
const powerDownLines = 5

// EndingOf reads how a device ended from the last lines of its kernel's log (kernel/reboot.c, kernel/panic.c).
func EndingOf(lines []string) Ending {
	panicked := false
	for i, line := range lines {
		if strings.Contains(line, "reboot: Power down") && len(lines)-i <= powerDownLines {
			return PoweredDown
		}
		panicked = panicked || strings.Contains(line, "Kernel panic - not syncing")
	}
	if panicked {
		return Panicked
	}
	return EndingNotKnown
}
