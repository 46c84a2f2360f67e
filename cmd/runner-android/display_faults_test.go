package main_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// alert makes the runner look at displays often.
var alert = append([]string{"HEALTH_INTERVAL=300ms"}, quick...)

// wantPage wants the page of our own that says why there is no screen.
func (w way) wantPage(status int, says string) {
	w.t.Helper()
	got := w.ask("GET", "/", "")
	if got.status != status || !strings.Contains(string(got.body), says) || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		w.t.Errorf("the page: %d %s; want %d and %q", got.status, got.body, status, says)
	}
	if got.header.Get("Retry-After") == "" || !strings.Contains(string(got.body), "daytona-display/status") {
		w.t.Errorf("it does not come back by itself: %v", got.header)
	}
}

// Ensure a page, the status and the evidence say what is wrong with a display, and that it is well again.
func TestDisplayFaults(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, alert...)
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
	w := h.throughProxy("dev1")
	w.wantDisplay("ready")
	r.wantEvidence("dev1", "display", "serves its page")
	for _, tc := range []struct {
		fault, display string
		status         int
		says, evidence string
	}{
		{"webrtc_freeze", "frozen", http.StatusGatewayTimeout, "does not answer", "cannot be seen: "},
		{"webrtc_stale", "gone", http.StatusBadGateway, "is gone", "cannot be seen: the device&#39;s page server is gone"},
		{"webrtc_vanish", "registering", http.StatusServiceUnavailable, "not registered", "cannot be seen: the device is not registered"},
	} {
		h.inject(tc.fault, "", 0)
		w.wantDisplay(tc.display)
		began := time.Now()
		w.wantPage(tc.status, tc.says)
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("%s: the page took %s", tc.fault, took)
		}
		r.wantEvidence("dev1", "display", strings.ReplaceAll(tc.evidence, "&#39;", "'"))
		if state := r.info("dev1").State; state != "started" {
			t.Errorf("%s: the sandbox is %s", tc.fault, state)
		}
		h.heal()
		w.wantDisplay("ready")
		r.wantEvidence("dev1", "display", "serves its page")
	}
	h.inject("webrtc_slow:0.1", "", 0) // late, and all the same
	h.misbehaveOperator("slow:0.1")
	h.misbehaveOperator("trickle:0.01")
	wantOwnDisplay(t, w)
}

// operatorPID is the pid of the host's operator.
func (h *simHost) operatorPID() int {
	h.t.Helper()
	pids := slices.Collect(maps.Keys(h.processes("operator")))
	if len(pids) != 1 {
		h.t.Fatalf("operators: %v", pids)
	}
	return pids[0]
}

// Ensure a host without its operator is said to be that, by a page, the status and the evidence, and is well once
// somebody has started it.
func TestDisplayWithoutOperator(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, alert...)
	h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
	w := h.throughProxy("dev1")
	w.wantDisplay("ready")
	conn := w.described("dev1", nil)
	h.misbehaveOperator("ws_reset")
	wantClosed(t, conn, 1001, "closed the signalling")
	conn = w.described("dev1", nil)
	if err := syscall.Kill(h.operatorPID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wantClosed(t, conn, 1001, "closed the signalling")
	w.wantDisplay("operator-down")
	w.wantPage(http.StatusServiceUnavailable, h.get("CVD_OPERATOR_URL"))
	if got := w.ask("GET", "/js/app.js", ""); got.status != http.StatusServiceUnavailable || !strings.Contains(string(got.body), h.get("CVD_OPERATOR_URL")) {
		t.Errorf("a file: %d %s", got.status, got.body)
	}
	if conn, status := w.dial("/devices/dev1/connect", nil); conn != nil || status != http.StatusServiceUnavailable {
		t.Errorf("signalling: %d", status)
	}
	r.wantEvidence("dev1", "display", h.get("CVD_OPERATOR_URL")+" cannot be reached")
	if state := r.info("dev1").State; state != "started" {
		t.Errorf("the sandbox is %s", state)
	}
	h.startOperator()
	w.wantDisplay("ready")
	wantOwnDisplay(t, w)
	r.wantEvidence("dev1", "display", "serves its page")
}

// Ensure devices live without an operator: they are created, stopped, started and destroyed, are seen once it is
// there, and leave no entry.
func TestDevicesWithoutOperator(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, alert...)
	h.inject("operator_down", "", 0)
	eventually(t, 10*time.Second, "the operator is down", func() error {
		conn, err := net.DialTimeout("tcp", strings.TrimPrefix(h.operatorURL(), "http://"), time.Second)
		if err == nil {
			_ = conn.Close()
			return fmt.Errorf("its port accepts")
		}
		return nil
	})
	for _, id := range []string{"dev1", "dev2"} {
		r.create(id)
	}
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
	r.wantEvidence("dev1", "display", h.get("CVD_OPERATOR_URL")+" cannot be reached")
	r.want(http.StatusOK, "POST", "/sandboxes/dev2/destroy", nil)
	h.heal()
	w := r.straight("dev1")
	w.wantDisplay("ready")
	w.described("dev1", nil)
	r.wantEvidence("dev1", "display", "serves its page")
	h.inject("operator_down", "", 0)
	r.wantEvidence("dev1", "display", "cannot be reached")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/destroy", nil)
	h.heal()
	eventually(t, 10*time.Second, "the operator is back, and lists nobody", func() error {
		var listed []any
		resp, err := client.Get(h.operatorURL() + "/devices")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(&listed); err != nil || len(listed) > 0 {
			return fmt.Errorf("%v, %w", listed, err)
		}
		return nil
	})
	h.misbehaveOperator("slow:60")
	began := time.Now()
	r.create("dev3")
	r.wantEvidence("dev3", "display", "cannot be seen")
	r.exec("dev3", "true")
	r.want(http.StatusOK, "POST", "/sandboxes/dev3/destroy", nil)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("with an operator that does not answer a device's life took %s", took)
	}
	h.wantClean()
}

// Ensure a destroy waits for the end of an entry that somebody else holds, and does not restart the operator for it.
// (What it says of one that does not end is proved in virtual time.)
func TestAnEntryThatSomebodyHolds(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h)
	r.create("dev1")
	operator := h.operatorPID()
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/stop", nil)
	holder, err := net.Dial("unixpacket", h.root+"/run/cuttlefish/operator")
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	if _, err := holder.Write([]byte(`{"message_type":"register","device_id":"dev1","device_port":9,"device_info":{}}`)); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "it is registered", func() error {
		if !h.operatorGet("/devices/dev1", nil) {
			return fmt.Errorf("404")
		}
		return nil
	})
	destroyed := make(chan reply, 1)
	go func() {
		answer, _ := r.do("POST", "/sandboxes/dev1/destroy", nil)
		destroyed <- answer
	}()
	eventually(t, 10*time.Second, "all but the entry is gone", func() error {
		if fleet := h.cvd("fleet"); strings.Contains(fleet, "group_name") {
			return fmt.Errorf("cvd lists %s", fleet)
		}
		return nil
	})
	select {
	case answer := <-destroyed:
		t.Errorf("with its entry left: %d %s", answer.status, answer.body)
	case <-time.After(500 * time.Millisecond):
	}
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	if answer := <-destroyed; answer.status != http.StatusOK {
		t.Errorf("%d %s", answer.status, answer.body)
	}
	if h.operatorPID() != operator {
		t.Error("the operator was restarted")
	}
	h.wantClean()
}

// startOperator starts the operator by hand.
func (h *simHost) startOperator() {
	h.t.Helper()
	cmd := exec.Command(filepath.Join(binaries, "cvd-sim"), "operator", "--root", h.root)
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// Ensure a hostile page and hostile words of a device pass as they are, and harm nothing.
func TestDisplayOfAHostileDevice(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, alert...)
	h.inject("webrtc_hostile", "", 0)
	r.create("dev1")
	w := r.straight("dev1")
	w.wantDisplay("ready")
	if got := w.get("/"); strings.Contains(got, "<head>") || strings.Contains(got, "__DAYTONA") || !strings.Contains(got, "device-video") {
		t.Errorf("page: %s", got)
	}
	if got := w.get("/js/server_connector.js"); !strings.Contains(got, `"dev1"`) {
		t.Errorf("connector: %s", got)
	}
	w.described("dev1", nil)
	w.opened("dev1")
	r.wantEvidence("dev1", "display", "serves its page")
}

// Ensure an operator behind TLS is known by its certificate: the one that was set, or the one that was met first, also
// after a restart of the runner. Another one is refused, and the page and the evidence name both.
func TestDisplayOverTLS(t *testing.T) {
	for name, setting := range map[string]string{"set": "", "met first": "CVD_OPERATOR_CERT_SHA256="} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHost(t, "--operator-tls")
			settings := alert
			if setting != "" {
				settings = append([]string{setting}, alert...)
			}
			r := startRunner(h, settings...)
			h.desk().mustDo(order{"type": "CREATE_SANDBOX", "sandboxId": "dev1"})
			w := h.throughProxy("dev1")
			w.wantDisplay("ready")
			wantOwnDisplay(t, w)
			r.wantEvidence("dev1", "display", "serves its page")

			pin := h.get("CVD_OPERATOR_CERT_SHA256")
			h.misbehaveOperator("tls:changed")
			refused := func() {
				t.Helper()
				eventually(t, 20*time.Second, "the certificate is refused", func() error {
					if d := w.status(); d.Display != "operator-down" || !strings.Contains(d.Message, pin) {
						return fmt.Errorf("it is %+v", d)
					}
					return nil
				})
				w.wantPage(http.StatusServiceUnavailable, "not "+pin)
				r.wantEvidence("dev1", "display", "not "+pin)
				if conn, status := w.dial("/devices/dev1/connect", nil); conn != nil || status != http.StatusServiceUnavailable {
					t.Errorf("signalling: %d", status)
				}
			}
			refused()
			r.kill()
			r = startRunner(h, settings...)
			r.wantState("dev1", "started")
			refused()
		})
	}
}

// Ensure the entry of a device is gone from the operator once the device is stopped, and once it is destroyed, also
// where its process outlives its launcher.
func TestDisplayOrphansAreEnded(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, alert...)
	r.create("dev1")
	r.create("dev2")
	h.inject("webrtc_orphan", "", 0)
	wantNoEntry := func(op string) {
		t.Helper()
		r.want(http.StatusOK, "POST", "/sandboxes/dev1/"+op, nil)
		if h.operatorGet("/devices/dev1", nil) {
			t.Errorf("after %s the operator still lists the device", op)
		}
		if left := h.processes("webRTC"); len(left) != 1 {
			t.Errorf("after %s there are %v", op, left)
		}
	}
	operator := h.operatorPID()
	wantNoEntry("stop")
	r.want(http.StatusOK, "POST", "/sandboxes/dev1/start", "{}")
	r.straight("dev1").wantDisplay("ready")
	wantNoEntry("destroy")
	if h.operatorPID() != operator || !h.operatorGet("/devices/dev2", nil) {
		t.Error("the operator was restarted, or another device's entry is gone")
	}
}

// Ensure each device has media ports of its own, the same for UDP and TCP, at its creation and at a later start.
func TestDisplayPortsOfTwoDevices(t *testing.T) {
	t.Parallel()
	h := startHost(t)
	r := startRunner(h, quick...)
	r.create("dev1")
	r.create("dev2")
	r.want(http.StatusOK, "POST", "/sandboxes/dev2/stop", nil)
	r.want(http.StatusOK, "POST", "/sandboxes/dev2/start", "{}")
	var low, high [2]int
	for i, id := range []string{"dev1", "dev2"} {
		n := r.info(id).InstanceNum
		_, env := h.streamer(n)
		data, err := os.ReadFile(env["CUTTLEFISH_CONFIG_FILE"])
		var config struct {
			Instances map[string]struct {
				ID  string `json:"webrtc_device_id"`
				TCP string `json:"webrtc_tcp_port_range"`
				UDP string `json:"webrtc_udp_port_range"`
			} `json:"instances"`
		}
		if err == nil {
			err = json.Unmarshal(data, &config)
		}
		mine := config.Instances[strconv.Itoa(n)]
		if err != nil || mine.ID != id || mine.UDP != mine.TCP {
			t.Errorf("%s: %v, %+v", id, err, mine)
		}
		if _, err := fmt.Sscanf(mine.UDP, "%d:%d", &low[i], &high[i]); err != nil || low[i] > high[i] {
			t.Errorf("%s: %v, %+v", id, err, mine)
		}
	}
	if low[0] <= high[1] && low[1] <= high[0] {
		t.Errorf("they share ports: from %v to %v", low, high)
	}
}

// streamer is the process webRTC of instance n, and its environment.
func (h *simHost) streamer(n int) (pid int, env map[string]string) {
	h.t.Helper()
	for pid := range h.processes("webRTC") {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil {
			continue
		}
		env := map[string]string{}
		for kv := range strings.SplitSeq(string(data), "\x00") {
			name, value, _ := strings.Cut(kv, "=")
			env[name] = value
		}
		if env["CUTTLEFISH_INSTANCE"] == strconv.Itoa(n) {
			return pid, env
		}
	}
	h.t.Fatalf("no webRTC of cvd-%d", n)
	return 0, nil
}
