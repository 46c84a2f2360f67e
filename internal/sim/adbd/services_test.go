package adbd

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"time"
)

type blackScreen struct{}

func (blackScreen) Frame(context.Context) (Frame, error) {
	return Frame{Width: 2, Height: 1, Pixels: []byte{1, 2, 3, 4, 5, 6, 7, 8}}, nil
}

type echoBinder struct{}

func (echoBinder) Command(_ context.Context, args []string, root bool, _ io.Reader, stdout, stderr io.Writer) int {
	io.WriteString(stdout, strings.Join(args, "|"))
	return len(args)
}

// reply reads what a service says, up to its CLSE.
func (h *host) reply(id uint32) string {
	h.t.Helper()
	var said strings.Builder
	for {
		p, payload := h.read()
		switch {
		case p.arg1 != id: // the answer to a late OKAY
		case p.command == cmdWRTE:
			said.WriteString(payload)
			h.send(cmdOKAY, id, p.arg0, "")
		case p.command == cmdCLSE:
			return said.String()
		}
	}
}

func TestServicesOfWhatTheDeviceHas(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t, func(d *Device) {
		d.Screen, d.Binder = blackScreen{}, echoBinder{}
		d.Lacks = []string{"ls_v2"}
	})
	h := dial(t, addr)
	h.send(cmdCNXN, 0x01000001, maxPayload, "host::")
	if banner := h.expect(cmdCNXN, 0x01000001, maxPayload); strings.Contains(banner, "ls_v2") || !strings.Contains(banner, ",abb,abb_exec") {
		t.Errorf("banner %q", banner)
	}
	want := "\x02\x00\x00\x00\x20\x00\x00\x00\x01\x00\x00\x00\x08\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00" +
		"\x00\x00\x00\x00\x08\x00\x00\x00\x10\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00\x08\x00\x00\x00\x18\x00\x00\x00\x08\x00\x00\x00" +
		"\x01\x02\x03\x04\x05\x06\x07\x08"
	h.send(cmdOPEN, 1, 0, "framebuffer:\x00")
	if got := h.reply(1); got != want {
		t.Errorf("frame % x", got)
	}
	h.send(cmdOPEN, 2, 0, "abb:package\x00list\x00\x00\x00")
	if got := h.reply(2); got != "\x01\x0c\x00\x00\x00package|list\x03\x01\x00\x00\x00\x02" {
		t.Errorf("abb %q", got)
	}
	h.send(cmdOPEN, 3, 0, "abb_exec:a\x00b\x00")
	if got := h.reply(3); got != "a|b" {
		t.Errorf("abb_exec %q", got)
	}
}

func TestSyncVersion2(t *testing.T) {
	t.Parallel()
	_, d := serve(t)
	talk := func(in string) string {
		var out strings.Builder
		newSync(duplex{strings.NewReader(in), &out}, d.Guest.Files(false)).serve()
		return out.String()
	}
	const path = "\x11\x00\x00\x00/data/local/tmp/a"
	send := "SND2" + path + "SND2\xa4\x81\x00\x00\x00\x00\x00\x00" + "DATA\x02\x00\x00\x00hi" + "DONE\x00\xf1\x53\x65"
	if got := talk(send); got != "OKAY\x00\x00\x00\x00" {
		t.Errorf("SND2: %q", got)
	}
	if got := talk("RCV2" + path + "RCV2\x00\x00\x00\x00"); got != "DATA\x02\x00\x00\x00hiDONE\x00\x00\x00\x00" {
		t.Errorf("RCV2: %q", got)
	}
	for _, bad := range []string{"RCV2" + path + "RCV2\x01\x00\x00\x00", "RCV2" + path + "RECV\x00\x00\x00\x00"} {
		if got := talk(bad); !strings.HasPrefix(got, "FAIL") {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

// As adb 29 sends it when its client hangs up.
func TestPayloadsBeforeTheirTurnAreTaken(t *testing.T) {
	t.Parallel()
	addr, _ := serve(t)
	h := connected(t, addr)
	h.send(cmdOPEN, 1, 0, "shell,v2,raw:cat\x00")
	p, _ := h.read()
	frame := func(text string) string {
		return string(binary.LittleEndian.AppendUint32([]byte{packetStdin}, uint32(len(text)))) + text
	}
	for _, text := range []string{"one ", "two ", "three"} {
		h.send(cmdWRTE, 1, p.arg0, frame(text))
	}
	h.send(cmdWRTE, 1, p.arg0, string([]byte{packetCloseStdin, 0, 0, 0, 0}))
	said := h.reply(1)
	if got := strings.NewReplacer("\x01", "", "\x00", "", "\x04", "", "\x05", "", "\x08", "", "\x0d", "", "\x03", "").Replace(said); got != "one two three" {
		t.Errorf("got %q", said)
	}
	h.nc.SetDeadline(time.Now().Add(limit))
}

func FuzzParsePublic(f *testing.F) {
	key := binary.LittleEndian.AppendUint32(nil, 64)
	key = append(key, make([]byte, 4+2*keyBytes)...)
	key[8+keyBytes-1] = 0x80
	key = binary.LittleEndian.AppendUint32(key, 65537)
	f.Add(base64.StdEncoding.EncodeToString(key))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, encoded string) {
		if k, err := parsePublic(encoded); err == nil && k.Size() != keyBytes {
			t.Errorf("%q became a key of %d bytes", encoded, k.Size())
		}
	})
}
