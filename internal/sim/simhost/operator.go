package simhost

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/daytonaio/runner-android/internal/sim/operator"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// Ports of a real operator.
const (
	usualOperatorHTTP  = 1080
	usualOperatorHTTPS = 1443
)

// hireOperator gives the host an operator. Until release is called no other simulated host of this machine
// tries for the usual ports.
func hireOperator(root *simroot.Root, apiPort int) (hired *simroot.Root, release func(), err error) {
	const attempts = 5 // a free port may be taken before the operator has it
	settings := root.Settings
	for range attempts {
		var marks []net.Listener
		release = func() {
			for _, m := range marks {
				m.Close()
			}
		}
		if marks, err = chooseOperatorPorts(&settings, apiPort); err == nil {
			if hired, err = simroot.Create(root.Dir, settings); err == nil {
				if err = StartOperator(hired); err == nil {
					return hired, release, nil
				}
			}
		}
		release()
		settings.OperatorHTTP, settings.OperatorHTTPS = 0, 0
	}
	return nil, nil, err
}

// chooseOperatorPorts takes the ports of the last time, the usual ones, or free ones, and marks them as this
// host's.
func chooseOperatorPorts(s *simroot.Settings, others ...int) (marks []net.Listener, err error) {
	for _, port := range []struct {
		chosen *int
		usual  int
	}{{&s.OperatorHTTP, usualOperatorHTTP}, {&s.OperatorHTTPS, usualOperatorHTTPS}} {
		candidates := []int{*port.chosen, port.usual}
		*port.chosen = 0
		for _, candidate := range candidates {
			if candidate == 0 || slices.Contains(others, candidate) {
				continue
			}
			// An abstract socket leaves no file behind and ends with the process.
			mark, err := new(net.ListenConfig).Listen(context.Background(), "unix", fmt.Sprintf("@cvd-sim-operator-%d", candidate))
			if err != nil {
				continue
			}
			marks = append(marks, mark)
			if portFree(candidate) {
				*port.chosen = candidate
				break
			}
		}
		if *port.chosen == 0 {
			if *port.chosen, err = freePort(); err != nil {
				return marks, fmt.Errorf("find a port for the operator: %w", err)
			}
		}
		others = append(others, *port.chosen)
	}
	return marks, nil
}

func freePort() (int, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// StartOperator starts the host's operator, in a session of its own, and returns when it serves. A host without
// ports for it has none.
func StartOperator(root *simroot.Root) error {
	if root.Settings.OperatorHTTP == 0 {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(root.OperatorLog()), 0o755); err != nil {
		return fmt.Errorf("start the operator: %w", err)
	}
	log, err := os.OpenFile(root.OperatorLog(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start the operator: %w", err)
	}
	defer log.Close()
	ready, readyWriter, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("start the operator: %w", err)
	}
	defer ready.Close()
	cmd := exec.CommandContext(context.Background(), root.OperatorProgram(), operator.ReadyFlag) // outlives this process
	cmd.Dir = root.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{readyWriter}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	readyWriter.Close()
	if err != nil {
		return fmt.Errorf("start the operator: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // nobody else reaps it while this process lives
	}()
	var b [1]byte
	_, _ = ready.Read(b[:]) // end of file: it serves, or has ended
	if _, err := os.Stat(root.OperatorPIDFile()); err != nil {
		<-ended
		said, _ := os.ReadFile(root.OperatorLog())
		return fmt.Errorf("start the operator: %s", said)
	}
	return nil
}

// operatorEnvironment points the command at the operator, unless lookup has something.
func operatorEnvironment(root *simroot.Root, lookup func(string) (string, bool), overTLS bool) ([]string, error) {
	if url, _ := lookup("CVD_OPERATOR_URL"); url != "" || root.Settings.OperatorHTTP == 0 {
		return nil, nil
	}
	if !overTLS {
		return []string{"CVD_OPERATOR_URL=" + "http://127.0.0.1:" + strconv.Itoa(root.Settings.OperatorHTTP)}, nil
	}
	fingerprint, err := operator.Fingerprint(root.OperatorCerts())
	if err != nil {
		return nil, err
	}
	return []string{
		"CVD_OPERATOR_URL=" + "https://127.0.0.1:" + strconv.Itoa(root.Settings.OperatorHTTPS), "CVD_OPERATOR_CERT_SHA256=" + fingerprint,
	}, nil
}
