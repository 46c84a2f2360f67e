package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// "hi" pushed to /data/local/tmp/a, as a genuine adb sends it (layout checked against adb 1.0.41).
func TestSyncMessagesOfAPush(t *testing.T) {
	t.Parallel()
	got := AppendSyncRequest(nil, SyncSend, "/data/local/tmp/a,33188")
	got = append(AppendSyncHeader(got, SyncData, 2), "hi"...)
	got = AppendSyncHeader(got, SyncDone, 1_700_000_000)
	want := "SEND\x17\x00\x00\x00/data/local/tmp/a,33188" + "DATA\x02\x00\x00\x00hi" + "DONE\x00\xf1\x53\x65"
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if id, n := ParseSyncHeader(got); id != SyncSend || n != 23 {
		t.Errorf("read back %v, %d", id, n)
	}
}

func TestSyncIDsReadAsLetters(t *testing.T) {
	t.Parallel()
	var names []string
	for _, id := range SyncIDs() {
		names = append(names, id.String())
	}
	want := "STAT STA2 LST2 LIST LIS2 DENT DNT2 RECV RCV2 SEND SND2 DATA DONE OKAY FAIL QUIT"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := SyncID(1).String(); got != "0x00000001" {
		t.Errorf("an unknown id is %q", got)
	}
}

func TestSyncStatsAsADeviceSendsThem(t *testing.T) {
	t.Parallel()
	short := unhex(t, "53544154 a4810000 03000000 00f15365")
	if got, want := ParseSyncStat(short), (SyncFileStat{Mode: 0o100644, Size: 3, MTime: 1_700_000_000}); got != want {
		t.Errorf("STAT: got %+v, want %+v", got, want)
	}
	long := unhex(t, "53544132 00000000 05fe000000000000 2a00000000000000 a4810000 01000000 d0070000 3e040000"+
		"0000000001000000 00f1536500000000 01f1536500000000 ffffffffffffffff")
	want := SyncFileStat{Dev: 0xfe05, Ino: 42, Mode: 0o100644, Nlink: 1, UID: 2000, GID: 1086, Size: 1 << 32,
		ATime: 1_700_000_000, MTime: 1_700_000_001, CTime: -1}
	if got := ParseSyncStat2(long); got != want {
		t.Errorf("STA2: got %+v, want %+v", got, want)
	}
	if got := want.Append(nil, SyncStat2); !bytes.Equal(got, long) {
		t.Errorf("written % x, want % x", got, long)
	}
}

func FuzzSyncStat(f *testing.F) {
	f.Add(SyncFileStat{Mode: 0o40755, Size: 1 << 40}.Append(nil, SyncLstat2))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < SyncStat2Size {
			return
		}
		id, _ := ParseSyncHeader(in)
		if got := ParseSyncStat2(in).Append(nil, id); !bytes.Equal(got, in[:SyncStat2Size]) {
			t.Fatalf("read % x and wrote % x", in, got)
		}
		ParseSyncStat(in)
	})
}

func TestFrameHeaders(t *testing.T) {
	t.Parallel()
	rgba := FrameHeader{Version: 2, BitsPerPixel: 32, ColorSpace: 1, Size: 720 * 1280 * 4, Width: 720, Height: 1280,
		Red: Channel{0, 8}, Blue: Channel{16, 8}, Green: Channel{8, 8}, Alpha: Channel{24, 8}}
	raw := unhex(t, "02000000 20000000 01000000 00403800 d0020000 00050000 00000000 08000000 10000000 08000000"+
		"08000000 08000000 18000000 08000000")
	if got, err := ParseFrameHeader(raw); got != rgba || err != nil {
		t.Errorf("version 2: got %+v, %v", got, err)
	}
	old := FrameHeader{Version: 1, BitsPerPixel: 16, Size: 4, Width: 2, Height: 1,
		Red: Channel{11, 5}, Blue: Channel{0, 5}, Green: Channel{5, 6}}
	if got, err := ParseFrameHeader(old.Append(nil)); got != old || err != nil || len(old.Append(nil)) != FrameHeaderSize(1) {
		t.Errorf("version 1: got %+v, %v", got, err)
	}
	for name, spoil := range map[string]func(h *FrameHeader){
		"no version":                  func(h *FrameHeader) { h.Version = 0 },
		"a version of the future":     func(h *FrameHeader) { h.Version = 3 },
		"a depth that no display has": func(h *FrameHeader) { h.BitsPerPixel = 7 },
		"a size that does not follow": func(h *FrameHeader) { h.Size-- },
		"no pixels":                   func(h *FrameHeader) { h.Width, h.Size = 0, 0 },
		"more than any display":       func(h *FrameHeader) { h.Width, h.Height, h.Size = 1<<15, 1<<15, 0 },
		"a colour outside the pixel":  func(h *FrameHeader) { h.Red.Offset = 1<<32 - 1 },
	} {
		h := rgba
		spoil(&h)
		if got, err := ParseFrameHeader(h.Append(nil)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	if _, err := ParseFrameHeader(raw[:55]); !errors.Is(err, ErrMalformed) {
		t.Errorf("cut: %v", err)
	}
}

func FuzzFrameHeader(f *testing.F) {
	f.Add(FrameHeader{Version: 1, BitsPerPixel: 32, Size: 4, Width: 1, Height: 1}.Append(nil))
	f.Add(FrameHeader{Version: 2, BitsPerPixel: 64, Size: 8, Width: 1, Height: 1}.Append(nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := ParseFrameHeader(in)
		if err != nil {
			return
		}
		if h.Size > MaxFrameSize || !bytes.HasPrefix(in, h.Append(nil)) {
			t.Fatalf("read % x as %+v", in, h)
		}
	})
}

// The bytes are those of adb 1.0.41's server.
func TestSmartSocket(t *testing.T) {
	t.Parallel()
	if got := string(AppendRequest(nil, []byte("host:transport:127.0.0.1:6590"))); got != "001dhost:transport:127.0.0.1:6590" {
		t.Errorf("got %q", got)
	}
	r := iotest.OneByteReader(strings.NewReader("OKAY00040029FAIL0006closedOKAYrest"))
	if err := ReadStatus(r); err != nil {
		t.Error(err)
	}
	if text, err := ReadText(r); string(text) != "0029" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
	if reason, is := IsFail(ReadStatus(r)); reason != "closed" || !is {
		t.Errorf("got %q, %v", reason, is)
	}
	if err := ReadStatus(r); err != nil {
		t.Error(err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "rest" {
		t.Errorf("left %q", rest)
	}
	for in, want := range map[string]error{
		"": io.EOF, "OK": io.ErrUnexpectedEOF, "NOPE": ErrMalformed, "FAIL": io.ErrUnexpectedEOF,
		"FAILzzzz": ErrMalformed, "FAIL0005abc": io.ErrUnexpectedEOF,
	} {
		if err := ReadStatus(strings.NewReader(in)); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", in, err, want)
		}
	}
}

func FuzzSmartSocket(f *testing.F) {
	f.Add([]byte("OKAY"))
	f.Add([]byte("FAIL0006closed"))
	f.Add([]byte("FAILffff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bytes.NewReader(in)
		err := ReadStatus(r)
		if reason, is := IsFail(err); is && !bytes.HasPrefix(in[8:], []byte(reason)) {
			t.Fatalf("%q: reason %q", in, reason)
		}
		if err == nil && r.Len() != len(in)-4 {
			t.Fatalf("%q: %d bytes left", in, r.Len())
		}
	})
}
