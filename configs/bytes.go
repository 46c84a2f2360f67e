package configs

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// byteUnits are powers of 1024, largest first. Decimal units are refused rather than guessed
// at: half of the world reads "MB" as one and half as the other.
var byteUnits = []struct {
	name string
	size int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

func parseBytes(text string) (int64, error) {
	digits, size := text, int64(1)
	for _, unit := range byteUnits {
		if before, found := strings.CutSuffix(text, unit.name); found {
			digits, size = strings.TrimRight(before, " "), unit.size
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("parse %q as a number of bytes: %w", text, err)
	}
	if n > math.MaxInt64/uint64(size) {
		return 0, fmt.Errorf("parse %q as a number of bytes: %w", text, strconv.ErrRange)
	}
	return int64(n) * size, nil
}

// bytesText prints n in the largest unit that divides it; parseBytes reads it back.
func bytesText(n int64) string {
	for _, unit := range byteUnits {
		if n != 0 && n%unit.size == 0 {
			return strconv.FormatInt(n/unit.size, 10) + unit.name
		}
	}
	return strconv.FormatInt(n, 10)
}
