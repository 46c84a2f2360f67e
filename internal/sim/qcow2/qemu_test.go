package qcow2

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// qemu runs a program of qemu-utils and returns its output and exit code.
func qemu(t *testing.T, program string, args ...string) (string, int) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("skipped: needs %s", program)
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !asExit(err, &exit) {
		t.Fatalf("%s %q: %v", program, args, err)
	} else if exit != nil {
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

func asExit(err error, to **exec.ExitError) bool {
	return errors.As(err, to)
}

func checkClean(t *testing.T, path string) {
	t.Helper()
	if out, code := qemu(t, "qemu-img", "check", "-U", "-f", "qcow2", path); code != 0 {
		t.Fatalf("qemu-img check exits %d:\n%s", code, out)
	}
}

func TestQemuAgreesWithTheImage(t *testing.T) {
	t.Parallel()
	for _, style := range []Style{Old, New} {
		t.Run(style.String()+" style", func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "overlay.img")
			base := filepath.Join(t.TempDir(), "os_composite.img")
			if err := os.WriteFile(base, bytes.Repeat([]byte{0xb5}, 2*mib), 0o644); err != nil {
				t.Fatal(err)
			}
			baseFile, err := os.Open(base)
			if err != nil {
				t.Fatal(err)
			}
			defer baseFile.Close()
			img := mustCreate(t, path, Options{Size: 3 << 30, Backing: base, Style: style})
			img.SetBacking(baseFile)
			mustWrite(t, img, bytes.Repeat([]byte{0x11}, 100_000), 70_000)
			mustWrite(t, img, bytes.Repeat([]byte{0x22}, 512), 3<<30-512)
			if err := img.Sync(); err != nil {
				t.Fatal(err)
			}
			checkClean(t, path)

			out, code := qemu(t, "qemu-img", "info", "-U", "-f", "qcow2", "--output=json", path)
			var info struct {
				Size    int64  `json:"virtual-size"`
				Backing string `json:"backing-filename"`
			}
			if err := json.Unmarshal([]byte(out), &info); code != 0 || err != nil {
				t.Fatalf("qemu-img info exits %d, %v: %s", code, err, out)
			}
			if info.Size != 3<<30 || info.Backing != base {
				t.Errorf("qemu-img info says %+v", info)
			}
			if err := img.Close(); err != nil {
				t.Fatal(err)
			}

			spec := fmt.Sprintf("json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"file\",\"filename\":%q},"+
				"\"backing\":{\"driver\":\"raw\",\"file\":{\"driver\":\"file\",\"filename\":%q}}}", path, base)
			out, code = qemu(t, "qemu-io",
				"-c", "read -P 0xb5 0 70000", "-c", "read -P 0x11 70000 100000", "-c", "read -P 0xb5 170000 300000",
				"-c", fmt.Sprintf("read -P 0x22 %d 512", 3<<30-512), "-c", "read -P 0 2M 1M",
				"-c", "write -P 0x33 65536 1000", "-c", "write -P 0x44 1G 3M", "-c", "write -z 256k 64k", spec)
			if code != 0 || bytes.Contains([]byte(out), []byte("verification failed")) {
				t.Fatalf("qemu-io exits %d:\n%s", code, out)
			}
			img, err = Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer img.Close()
			img.SetBacking(baseFile)
			if got := mustRead(t, img, 1000, 65536); !bytes.Equal(got, bytes.Repeat([]byte{0x33}, 1000)) {
				t.Error("the write of qemu-io is not seen")
			}
			if got := mustRead(t, img, 3*mib, 1<<30); !bytes.Equal(got, bytes.Repeat([]byte{0x44}, 3*mib)) {
				t.Error("the big write of qemu-io is not seen")
			}
			if got := mustRead(t, img, 65536, 256<<10); !bytes.Equal(got, make([]byte, 65536)) {
				t.Error("the zero write of qemu-io shows the backing")
			}
			mustWrite(t, img, []byte("over a zero cluster"), 256<<10+5)
			want := append(make([]byte, 5), "over a zero cluster\x00"...)
			if got := mustRead(t, img, len(want), 256<<10); !bytes.Equal(got, want) {
				t.Errorf("zero cluster after a write: %q", got)
			}
			if err := img.Sync(); err != nil {
				t.Fatal(err)
			}
			checkClean(t, path)
		})
	}
}

func TestOpensAnImageMadeByQemu(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "q.img")
	if out, code := qemu(t, "qemu-img", "create", "-f", "qcow2", path, "5G"); code != 0 {
		t.Fatal(out)
	}
	img, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	mustWrite(t, img, bytes.Repeat([]byte{7}, mib), 4<<30)
	if err := img.Sync(); err != nil {
		t.Fatal(err)
	}
	checkClean(t, path)
}

func TestVersion2IsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "q.img")
	if out, code := qemu(t, "qemu-img", "create", "-f", "qcow2", "-o", "compat=0.10", path, "1G"); code != 0 {
		t.Fatal(out)
	}
	if _, err := Open(path); err == nil {
		t.Error("no error")
	}
}

const victimVar = "QCOW2_TEST_VICTIM"

// TestVictim is the process that the kill test kills: it writes until it dies.
func TestVictim(t *testing.T) {
	path := os.Getenv(victimVar)
	if path == "" {
		t.Skip("skipped: runs as the child of the kill test")
	}
	img, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = os.Stdout.WriteString("writing\n")
	seed := uint64(os.Getpid())
	for {
		seed = seed*6364136223846793005 + 1442695040888963407
		p := bytes.Repeat([]byte{byte(seed >> 40)}, 1+int(seed>>33)%90_000)
		if _, err := img.WriteAt(p, int64(seed>>20)%(img.Size()-100_000)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestKilledProcessLeavesNoCorruption(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("skipped: needs qemu-img")
	}
	path := filepath.Join(t.TempDir(), "x.img")
	if err := mustCreate(t, path, Options{Size: 50 << 30}).Close(); err != nil {
		t.Fatal(err)
	}
	for round := range 12 {
		runAndKill(t, path, time.Duration(1+round*3)*time.Millisecond)
		out, code := qemu(t, "qemu-img", "check", "-f", "qcow2", path)
		if code != 0 && code != 3 { // 3: leaked clusters, no corruption
			t.Fatalf("round %d: qemu-img check exits %d:\n%s", round, code, out)
		}
		img, err := Open(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := img.Close(); err != nil {
			t.Fatal(err)
		}
		checkClean(t, path)
	}
}

func runAndKill(t *testing.T, path string, after time.Duration) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestVictim$", "-test.timeout="+strconv.Itoa(60)+"s")
	cmd.Env = append(os.Environ(), victimVar+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	if _, err := out.Read(make([]byte, 64)); err != nil {
		t.Error("the victim did not start:", err)
	}
	<-time.After(after) // the moment of death is the point of the test, not a wait for something
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
}
