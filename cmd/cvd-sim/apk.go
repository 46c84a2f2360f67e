package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/apk"
	"github.com/daytonaio/runner-android/internal/sim/guest/apk/apkbuild"
)

// buildAPK makes an app for the simulated device.
func buildAPK(args []string) int {
	s := apkbuild.Spec{}
	size, scheme := "", ""
	flags := flag.NewFlagSet("cvd-sim apk", flag.ContinueOnError)
	flags.StringVar(&s.Package, "package", "com.example.app", "package name")
	flags.Int64Var(&s.VersionCode, "version-code", 1, "version code")
	flags.StringVar(&s.VersionName, "version-name", "1.0", "version name")
	flags.StringVar(&s.Label, "label", "", "name under the icon (the package name)")
	flags.StringVar(&size, "size", "", "size of the file: a number of bytes, or 500K, 50M, 1G (as small as possible)")
	flags.StringVar(&s.Split, "split", "", "make a split of this name instead of a base")
	flags.BoolVar(&s.SplitRequired, "split-required", false, "make a base that needs a split")
	flags.StringVar(&s.Key, "key", "debug", `who signs; "none" leaves it unsigned`)
	flags.IntVar(&s.MinSDK, "min-sdk", 24, "lowest API level that it runs on")
	flags.StringVar(&scheme, "scheme", "", "an activity opens URLs of this scheme")
	flags.BoolVar(&s.TestOnly, "test-only", false, "make an app that is for tests")
	flags.BoolVar(&s.Crash, "crash", false, "make an app that crashes when asked to: buttons, and the extra crash")
	flags.Func("permission", "a permission that it asks for; may be repeated", func(p string) error {
		s.Permissions = append(s.Permissions, p)
		return nil
	})
	flags.Func("abi", "a machine that it has code for, such as arm64-v8a; may be repeated", func(abi string) error {
		s.ABIs = append(s.ABIs, abi)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return usage(err)
	}
	var err error
	if s.Size, err = parseSize(size); err != nil {
		return usage(err)
	}
	if flags.NArg() != 1 {
		return usage(errors.New("cvd-sim apk: want one file to write, OUT.apk"))
	}
	s.LabelResource = s.Split == "" && s.Label != ""
	if scheme != "" {
		s.Activities = []apk.Activity{apkbuild.DefaultActivity(s.Package), apkbuild.Link(s.Package, "LinkActivity", scheme, "")}
	}
	if err := writeAPK(flags.Arg(0), s); err != nil {
		return fail(err)
	}
	return 0
}

// writeAPK writes the file whole or not at all.
func writeAPK(path string, s apkbuild.Spec) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".apk-*")
	if err != nil {
		return err
	}
	err = errors.Join(apkbuild.Write(f, s), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// parseSize reads a number of bytes with K, M or G behind it.
func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	digits := strings.TrimRight(text, "KMG")
	n, err := strconv.ParseInt(digits, 10, 64)
	shift, known := map[string]int{"": 0, "K": 10, "M": 20, "G": 30}[text[len(digits):]]
	if err != nil || !known || n < 0 || n > 4<<30 {
		return 0, fmt.Errorf("cvd-sim apk: --size is %q: want a number of bytes, or one like 50M", text)
	}
	return n << shift, nil
}
