package guestfiles

import (
	"path"
	"slices"
	"strings"

	"github.com/daytonaio/runner-android/internal/fault"
)

const (
	// maxPath is what ADB's sync service takes.
	maxPath = 1024
	// maxName is Linux's NAME_MAX.
	maxName = 255
)

// Clean makes a path of what a user sent: relative ones begin at home, "." and ".." are worked out
// without looking at links, as Go's filepath.Abs does. Any bytes will do but NUL.
func Clean(home, sent string) (string, error) {
	if strings.Contains(sent, "\x00") {
		return "", fault.Invalidf("the path must not contain NUL")
	}
	if !path.IsAbs(sent) {
		sent = home + "/" + sent
	}
	sent = path.Clean(sent)
	if len(sent) > maxPath {
		return "", fault.Invalidf("the path has %d bytes, the device takes %d", len(sent), maxPath)
	}
	return sent, nil
}

// roots are directories below the first level that are no user's to remove: without them Android
// or its storage does not work.
var roots = []string{
	"/data/adb", "/data/app", "/data/data", "/data/local", "/data/local/tmp", "/data/media", "/data/media/0",
	"/data/misc", "/data/system", "/data/user", "/data/user/0", "/data/vendor", "/mnt/sdcard", "/mnt/user",
	"/storage/emulated", "/storage/emulated/0", "/storage/self", "/storage/self/primary",
}

// guard refuses to remove or rename the device's own directories. It is no protection from those who mean
// it: they have a shell.
func guard(name string) error {
	if path.Dir(name) == "/" || slices.Contains(roots, name) {
		return fault.Invalidf("%s belongs to the system and stays where it is", name)
	}
	return nil
}

// partSuffix ends the names of parts, behind the nonce.
const partSuffix = ".part"

// partPattern is what a shell finds leftovers with.
const partPattern = ".*.ra-??????????" + partSuffix

// partName is the name for a file on its way to name, with a nonce of ten letters.
func partName(name, nonce string) string {
	dir, base := path.Split(name)
	end := ".ra-" + nonce + partSuffix
	room := max(min(maxName, maxPath-len(",33188")-len(dir))-len(end)-1, 1)
	if len(base) > room {
		base = strings.ToValidUTF8(base[:room], "") // /sdcard takes no halves of letters
	}
	return dir + "." + base + end
}
