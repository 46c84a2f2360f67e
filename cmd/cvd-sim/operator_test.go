package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/daytonaio/runner-android/internal/sim/inject"
	"github.com/daytonaio/runner-android/internal/sim/simhost"
	"github.com/daytonaio/runner-android/internal/sim/simroot"
)

// newSimWithOperator is a simulated host with its operator.
func newSimWithOperator(t *testing.T) *sim {
	t.Helper()
	s := newSim(t, "1.40.0")
	settings := s.root.Settings
	settings.OperatorHTTP = freePorts(t)
	settings.OperatorHTTPS = settings.OperatorHTTP + 1
	root, err := simroot.Create(s.root.Dir, settings)
	if err != nil {
		t.Fatal(err)
	}
	s.root = root
	if err := simhost.StartOperator(root); err != nil {
		t.Fatal(err)
	}
	return s
}

// operator sends a request to the operator; a status of 0 is no answer.
func (s *sim) operator(method, path, body string) (status int, answer string) {
	s.t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	req, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", s.root.Settings.OperatorHTTP, path), strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func (s *sim) untilDevices(list string) {
	s.t.Helper()
	s.await("list "+list, func() bool {
		_, got := s.operator("GET", "/devices", "")
		return got == list+"\n"
	})
}

// Ensure a device is at the operator from its launch to its stop, comes back when its webRTC or the operator
// was killed, and tells what it was launched with.
func TestDevicesAreAtTheOperator(t *testing.T) {
	t.Parallel()
	s := newSimWithOperator(t)
	s.ok(s.createArgs("s_1", "--webrtc_device_id=box {num}", "--udp_port_range=31500:31599", "--tcp_port_range=31500:31599")...)
	known := fmt.Sprintf(`[{"device_id":"box 1","group_name":"s_1","owner":%q,"name":"1","adb_port":%d}]`, userName(t), s.root.ADBPort(1))
	const forgotten = `[{"device_id":"box 1","group_name":"","adb_port":0}]`
	s.untilDevices(known)
	if fleet := s.fleet()[0].Instances[0]; fleet.DeviceID != "box 1" || !strings.HasPrefix(fleet.WebAccess, fmt.Sprintf("https://localhost:%d/devices/box 1/", s.root.Settings.OperatorHTTPS)) {
		t.Errorf("fleet says %+v", fleet)
	}
	if _, got := s.operator("GET", "/devices/box%201", ""); !strings.Contains(got, fmt.Sprintf(`"registration_info":{"adb_port":%d,`, s.root.ADBPort(1))) {
		t.Errorf("the device says %s", got)
	}
	if status, _ := s.operator("GET", "/devices/box%201/files/client.html", ""); status != 200 {
		t.Errorf("its page: %d", status)
	}
	s.wantsOffer("box 1", 31500, 31599)

	s.processes("webRTC")[0].Signal(unix.SIGKILL)
	s.untilDevices("[]")
	s.untilDevices(forgotten)

	s.processes("operator")[0].Signal(unix.SIGKILL)
	s.await("end of the operator", func() bool { return len(s.processes("operator")) == 0 })
	again := exec.Command(os.Args[0], "--root", s.root.Dir)
	again.Args = []string{"cvd-sim", "operator", "--root", s.root.Dir}
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	defer again.Wait()
	s.untilDevices(forgotten)

	s.inject(inject.Rule{ID: "stale", Fault: "webrtc_stale", Match: inject.Match{Group: "s_1"}})
	s.await("502", func() bool {
		status, _ := s.operator("GET", "/devices/box%201/files/client.html", "")
		return status == http.StatusBadGateway
	})
	s.ok("--group_name=s_1", "stop")
	s.untilDevices("[]")
	if left := s.processes("webRTC"); len(left) > 0 {
		t.Errorf("after the stop: %v", left)
	}
	if err := inject.Open(s.root.InjectFile()).Clear(""); err != nil {
		t.Fatal(err)
	}
	s.ok("--group_name=s_1", "start", "--webrtc_device_id=box 1")
	s.untilDevices(known)
	s.inject(inject.Rule{Fault: "webrtc_orphan"})
	s.ok("--group_name=s_1", "stop")
	orphans := s.processes("webRTC")
	if _, got := s.operator("GET", "/devices", ""); got != known+"\n" || len(orphans) != 1 || orphans[0].PPID != 1 {
		t.Errorf("an orphan: %v, %s", orphans, got)
	}
	if err := simhost.Reboot(s.root); err != nil {
		t.Fatal(err)
	}
	s.untilDevices("[]")
}

// Ensure a host whose operator is down has neither its port nor its sockets, and launches devices all the same; they
// are there when it is back.
func TestAnOperatorThatIsDown(t *testing.T) {
	t.Parallel()
	s := newSimWithOperator(t)
	s.inject(inject.Rule{ID: "down", Fault: "operator_down"})
	s.await("the operator is down", func() bool {
		status, _ := s.operator("GET", "/devices", "")
		return status == 0 && !exists(s.root.OperatorSocket()) && !exists(s.root.OperatorControl())
	})
	if r := s.ok(s.createArgs("s_1")...); !strings.Contains(r.stderr, "Failed to pre-register devices with operator") {
		t.Errorf("create said %s", r.stderr)
	}
	if err := inject.Open(s.root.InjectFile()).Clear("down"); err != nil {
		t.Fatal(err)
	}
	s.untilDevices(`[{"device_id":"s_1-1-1","group_name":"","adb_port":0}]`)
	if len(s.processes("operator")) != 1 {
		t.Errorf("operators: %v", s.processes("operator"))
	}
}

// wantsOffer asks a device for an offer, and looks at its candidates.
func (s *sim) wantsOffer(id string, low, high int) {
	s.t.Helper()
	var opened struct {
		ID string `json:"connection_id"`
	}
	_, answer := s.operator("POST", "/polled_connections", fmt.Sprintf(`{"device_id":%q}`, id))
	if err := json.Unmarshal([]byte(answer), &opened); err != nil {
		s.t.Fatalf("%v: %s", err, answer)
	}
	s.operator("POST", "/polled_connections/"+opened.ID+"/:forward", `{"payload":{"type":"request-offer"}}`)
	var messages []struct {
		Payload struct {
			Type, SDP, Candidate string
			MID                  *string `json:"mid"`
			LineIndex            *int    `json:"mLineIndex"`
		}
	}
	s.await("candidate", func() bool {
		_, answer := s.operator("GET", "/polled_connections/"+opened.ID+"/messages", "")
		return json.Unmarshal([]byte(answer), &messages) == nil && len(messages) >= 2
	})
	if first := messages[0].Payload; first.Type != "offer" || !strings.Contains(first.SDP, "VP8/90000") || !strings.Contains(first.SDP, "m=application") {
		s.t.Errorf("the offer is %+v", first)
	}
	for _, m := range messages[1:] {
		words := strings.Fields(m.Payload.Candidate)
		if m.Payload.Type != "ice-candidate" || m.Payload.MID == nil || m.Payload.LineIndex == nil || len(words) < 6 {
			s.t.Fatalf("candidate %+v", m.Payload)
		}
		if port, err := strconv.Atoi(words[5]); err != nil || port < low || port > high {
			s.t.Errorf("candidate %q is not within %d and %d", m.Payload.Candidate, low, high)
		}
	}
}

func userName(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	return u.Username
}
