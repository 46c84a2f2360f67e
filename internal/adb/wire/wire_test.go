package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const adbHostBanner = "host::features=remount_shell,abb_exec,abb,apex,fixed_push_mkdir,ls_v2,stat_v2," +
	"fixed_push_symlink_timestamp,cmd,shell_v2"

// The bytes are a recording of adb 1.0.41 (29.0.6) talking to a device.
func TestPacketsAsAGenuineAdbSendsThem(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		raw     string
		header  Header
		payload string
	}{
		{
			name:    "the host's CNXN, checksum included",
			raw:     "434e584e 01000001 00001000 77000000 402e0000 bcb1a7b1",
			header:  Header{CNXN, Version, MaxPayload, 0x77, 0x2e40},
			payload: adbHostBanner,
		},
		{
			name:    "OPEN of a shell command",
			raw:     "4f50454e d81a0100 00000000 1f000000 00000000 b0afbab1",
			header:  Header{OPEN, 0x11ad8, 0, 0x1f, 0},
			payload: "shell,v2,TERM=xterm,raw:exit 5\x00",
		},
		{
			name:   "the device accepts",
			raw:    "4f4b4159 01000000 d81a0100 00000000 00000000 b0b4bea6",
			header: Header{OKAY, 1, 0x11ad8, 0, 0},
		},
		{
			name:    "close stdin",
			raw:     "57525445 d81a0100 01000000 05000000 00000000 a8adabba",
			header:  Header{WRTE, 0x11ad8, 1, 5, 0},
			payload: "\x04\x00\x00\x00\x00",
		},
		{
			name:    "exit 5",
			raw:     "57525445 01000000 d81a0100 06000000 00000000 a8adabba",
			header:  Header{WRTE, 1, 0x11ad8, 6, 0},
			payload: "\x03\x01\x00\x00\x00\x05",
		},
		{
			name:   "the device closes",
			raw:    "434c5345 01000000 d81a0100 00000000 00000000 bcb3acba",
			header: Header{CLSE, 1, 0x11ad8, 0, 0},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw := unhex(t, tt.raw)
			if got := tt.header.Append(nil); !bytes.Equal(got, raw) {
				t.Errorf("encoded % x, want % x", got, raw)
			}
			r := NewReader(iotest.OneByteReader(strings.NewReader(string(raw)+tt.payload)), MaxPayload)
			h, err := r.Next()
			if err != nil || h != tt.header {
				t.Fatalf("decoded %+v, %v; want %+v", h, err, tt.header)
			}
			payload, err := io.ReadAll(r)
			if err != nil || string(payload) != tt.payload {
				t.Errorf("payload %q, %v; want %q", payload, err, tt.payload)
			}
			if h.Check != 0 && Checksum(payload) != h.Check {
				t.Errorf("checksum %#x, want %#x", Checksum(payload), h.Check)
			}
			if _, err := r.Next(); !errors.Is(err, io.EOF) {
				t.Errorf("behind the packet: %v, want io.EOF", err)
			}
		})
	}
}

func TestReaderRefuses(t *testing.T) {
	t.Parallel()
	good := AppendPacket(nil, WRTE, 1, 2, []byte("hello"))
	badMagic := bytes.Clone(good)
	badMagic[20] ^= 1
	tests := []struct {
		name string
		in   []byte
		max  uint32
		want error
	}{
		{"an empty stream with a clean end", nil, 10, io.EOF},
		{"a magic that does not match the command", badMagic, 10, ErrMalformed},
		{"a payload over the agreed limit", good, 4, ErrMalformed},
		{"a header cut short", good[:23], 10, io.ErrUnexpectedEOF},
		{"a payload cut short", good[:26], 10, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := NewReader(bytes.NewReader(tt.in), tt.max)
			_, err := r.Next()
			if err == nil {
				_, err = r.Next()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestReaderSkipsWhatWasNotRead(t *testing.T) {
	t.Parallel()
	in := AppendPacket(nil, WRTE, 1, 2, make([]byte, 3*readerBuffer))
	in = AppendPacket(in, CLSE, 1, 2, nil)
	r := NewReader(bytes.NewReader(in), MaxPayload)
	for _, want := range []Command{WRTE, CLSE} {
		if h, err := r.Next(); err != nil || h.Command != want {
			t.Fatalf("got %v, %v; want %v", h.Command, err, want)
		}
	}
}

func TestCommandNames(t *testing.T) {
	t.Parallel()
	var names []string
	for _, c := range Commands() {
		names = append(names, c.String())
	}
	if got, want := strings.Join(names, " "), "SYNC CNXN AUTH OPEN OKAY CLSE WRTE STLS"; got != want {
		t.Errorf("commands are named %s, want %s", got, want)
	}
	if got := Command(7).String(); got != "0x00000007" {
		t.Errorf("unknown command is named %q", got)
	}
}

func TestParseBanner(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   string
		want Banner
	}{
		{
			"a Cuttlefish phone",
			"device::ro.product.name=aosp_cf_x86_64_phone;ro.product.model=Cuttlefish x86_64 phone;" +
				"ro.product.device=vsoc_x86_64;features=shell_v2,cmd",
			Banner{"device", "aosp_cf_x86_64_phone", "Cuttlefish x86_64 phone", "vsoc_x86_64",
				[]string{"shell_v2", "cmd"}},
		},
		{"a host that says nothing", "host::", Banner{Type: "host"}},
		{"an old device with a NUL", "device::\x00", Banner{Type: "device"}},
		{"a type without the second colon", "recovery:", Banner{Type: "recovery"}},
		{"a serial, an unknown key, empty features", "device:S1:x=y;features=,a,,b,",
			Banner{Type: "device", Features: []string{"a", "b"}}},
		{"control characters and broken UTF-8", "device::ro.product.model=a\x1b[2Jb\xff\n",
			Banner{Type: "device", Model: "a[2Jb"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseBanner([]byte(tt.in))
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
	for _, bad := range []string{"", "device", ":x", "\x00:"} {
		if _, err := ParseBanner([]byte(bad)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: got %v, want ErrMalformed", bad, err)
		}
	}
}

func TestBannerString(t *testing.T) {
	t.Parallel()
	list := strings.TrimPrefix(adbHostBanner, "host::features=")
	host := Banner{Type: TypeHost, Features: strings.Split(list, ",")}
	if host.String() != adbHostBanner {
		t.Errorf("got %q, want %q", host, adbHostBanner)
	}
	if !host.Has("shell_v2") || host.Has("shell") {
		t.Error("Has does not match whole features")
	}
}

// The bytes are a recording of "echo hi" through adb 1.0.41.
func TestShellDecoderOnEveryCut(t *testing.T) {
	t.Parallel()
	raw := unhex(t, "01 03000000 68690a 03 01000000 00")
	for cut := range len(raw) + 1 {
		var d ShellDecoder
		var out []byte
		exit := -1
		for _, part := range [][]byte{raw[:cut], raw[cut:]} {
			for len(part) > 0 {
				f, rest, err := d.Next(part)
				if err != nil {
					t.Fatalf("cut at %d: %v", cut, err)
				}
				switch {
				case f.ID == ShellStdout:
					out = append(out, f.Data...)
				case f.ID == ShellExit && len(f.Data) == 1:
					exit = int(f.Data[0])
				}
				part = rest
			}
		}
		if string(out) != "hi\n" || exit != 0 {
			t.Errorf("cut at %d: got %q and exit %d", cut, out, exit)
		}
	}
}

func TestShellDecoderRefuses(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"the invalid id":            "ff 00000000",
		"a length over one payload": "01 01001000",
	} {
		var d ShellDecoder
		if _, _, err := d.Next(unhex(t, raw)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}
