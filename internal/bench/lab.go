package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const token = "bench-token"

// lab is a simulated Cuttlefish host and the directory in which everything happens.
type lab struct {
	scaling
	dir, bin string
	host     *child
	env      []string // as the host exports it
	extra    []string // settings of the runners that the row at hand starts
}

// openLab starts the host. The caller closes the lab.
func openLab(ctx context.Context, bin string, s scaling) (*lab, error) {
	for _, program := range []string{"runner-android", "cvd-sim"} {
		if _, err := os.Stat(filepath.Join(bin, program)); err != nil {
			return nil, fmt.Errorf("%w: run make build first", err)
		}
	}
	dir, err := os.MkdirTemp("", "rab") // short: Unix sockets below it have 107 bytes
	if err != nil {
		return nil, err
	}
	l := &lab{scaling: s, dir: dir, bin: bin}
	if err := l.startHost(ctx); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// startHost starts the host with a command that tells us the environment and then only waits.
func (l *lab) startHost(ctx context.Context) (err error) {
	file := l.path("env")
	command := "env -0 > '" + file + ".new' && mv '" + file + ".new' '" + file + "' && exec sleep 3600"
	env := append(os.Environ(), "API_TOKEN="+token)
	l.host, err = startChild(ctx, l.path("host.log"), env, filepath.Join(l.bin, "cvd-sim"),
		"host", "--root", l.path("h"), "--boot-time", "300ms", "--", "sh", "-c", command)
	if err != nil {
		return err
	}
	return await(ctx, 20*time.Second, 10*time.Millisecond, "the simulated host exports its environment", func() error {
		data, err := os.ReadFile(file)
		if err != nil {
			if ended := l.host.ended(); ended != nil {
				return finalError{ended}
			}
			return err
		}
		l.env = strings.Split(string(bytes.TrimRight(data, "\x00")), "\x00")
		return nil
	})
}

// close stops the host, which stops its devices, and removes the directory.
func (l *lab) close() error {
	var err error
	if l.host != nil {
		err = l.host.stop(20 * time.Second)
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}

// deviceCPU returns what the virtual machines of the host used so far.
func (l *lab) deviceCPU() (time.Duration, error) {
	executables, err := filepath.Glob("/proc/[0-9]*/exe")
	if err != nil {
		return 0, err
	}
	var total time.Duration
	for _, link := range executables {
		program, err := os.Readlink(link)
		if err != nil || filepath.Base(program) != "crosvm" || !strings.HasPrefix(program, l.dir+"/") {
			continue // a stranger's, or ended in between
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link)))
		if err != nil {
			return 0, err
		}
		cpu, err := cpuOf(pid)
		if err != nil {
			return 0, err
		}
		total += cpu
	}
	return total, nil
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }
