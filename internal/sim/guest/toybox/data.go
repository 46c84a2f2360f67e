package toybox

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/daytonaio/runner-android/internal/sim/guest/vfs"
)

func dataApplets() map[string]Applet {
	return map[string]Applet{
		"md5sum": digest(md5.New), "sha1sum": digest(sha1.New), "sha256sum": digest(sha256.New),
		"sha512sum": digest(sha512.New), "base64": base64Applet, "dd": dd, "xxd": xxd,
	}
}

func digest(newHash func() hash.Hash) Applet {
	return func(c *Call) int {
		o, ok := c.parse("b")
		if !ok {
			return 1
		}
		return c.inputs(o.args, func(name string, r io.Reader) error {
			h := newHash()
			if err := c.copy(h, r); err != nil {
				return err
			}
			if o.flags['b'] {
				c.printf("%x\n", h.Sum(nil))
			} else {
				c.printf("%x  %s\n", h.Sum(nil), name)
			}
			return nil
		})
	}
}

func base64Applet(c *Call) int {
	o, ok := c.parse("diw:", "decode", "d", "wrap", "w")
	if !ok {
		return 1
	}
	if o.flags['d'] {
		return c.inputs(o.args, func(_ string, r io.Reader) error {
			return c.decode64(r, o.flags['i'])
		})
	}
	columns := 76
	if o.flags['w'] {
		columns, _ = strconv.Atoi(o.value['w'])
	}
	return c.inputs(o.args, func(_ string, r io.Reader) error {
		w := &wrapper{w: c.Out, columns: columns}
		enc := base64.NewEncoder(base64.StdEncoding, w)
		if err := c.copy(enc, r); err != nil {
			return err
		}
		enc.Close()
		return w.end()
	})
}

// decode64 decodes up to the first letter that is none of base64's, as toybox does without a word;
// with ignore it goes on behind it.
func (c *Call) decode64(r io.Reader, ignore bool) error {
	var bits, count uint32
	var out []byte
	ended := false
	return c.copy(writerFunc(func(p []byte) (int, error) {
		out = out[:0]
		for _, letter := range p {
			at := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", letter)
			if at < 0 || ended {
				ended = ended || letter != '\n' && letter != '=' && !ignore
				continue
			}
			bits, count = bits<<6|uint32(at), count+6
			if count >= 8 {
				count -= 8
				out = append(out, byte(bits>>count))
			}
		}
		if _, err := c.Out.Write(out); err != nil {
			return 0, err
		}
		return len(p), nil
	}), r)
}

// wrapper breaks what is written into lines of columns bytes; 0 means one line without an end.
type wrapper struct {
	w           io.Writer
	columns, at int
}

func (w *wrapper) Write(p []byte) (int, error) {
	if w.columns <= 0 {
		return w.w.Write(p)
	}
	out := make([]byte, 0, len(p)+len(p)/w.columns+1)
	for _, b := range p {
		if w.at == w.columns {
			out, w.at = append(out, '\n'), 0
		}
		out = append(out, b)
		w.at++
	}
	if _, err := w.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *wrapper) end() error {
	if w.at == 0 {
		return nil
	}
	_, err := w.w.Write([]byte{'\n'})
	return err
}

func dd(c *Call) int {
	set := map[string]string{"bs": "512", "count": "", "skip": "0", "seek": "0"}
	for _, arg := range c.Args[1:] {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			return c.fail("unknown argument '%s'", arg)
		}
		set[key] = value
	}
	var n [4]int64
	for i, key := range []string{"bs", "count", "skip", "seek"} {
		text := set[key]
		if text == "" {
			n[i] = 1 << 40
			continue
		}
		var ok bool
		if n[i], ok = parseSize(text); !ok {
			return c.fail("bad %s '%s'", key, text)
		}
	}
	block, count, skip, seek := n[0], n[1], n[2], n[3]
	if block < 1 || block > 64<<20 {
		return c.fail("bs: must be between 1 and 64M")
	}
	in, out := c.In, c.Out
	if p := set["if"]; p != "" {
		f, err := c.View.Open(c.abs(p), os.O_RDONLY, 0)
		if err != nil {
			return c.failPath(p, err)
		}
		defer f.Close()
		in = f
	}
	if p := set["of"]; p != "" {
		flag := os.O_WRONLY | os.O_CREATE
		if !strings.Contains(set["conv"], "notrunc") && seek == 0 {
			flag |= os.O_TRUNC
		}
		f, err := c.View.Open(c.abs(p), flag, 0o666)
		if err != nil {
			return c.failPath(p, err)
		}
		defer f.Close()
		if file, ok := f.(io.Seeker); ok && seek > 0 {
			if _, err := file.Seek(seek*block, io.SeekStart); err != nil {
				return c.failPath(p, err)
			}
		}
		out = f
	}
	if skip > 0 {
		if err := c.copy(io.Discard, io.LimitReader(in, skip*block)); err != nil {
			return c.fail("%s", vfs.Reason(err))
		}
	}
	full, partial, total, err := c.blocks(out, in, block, count)
	if set["status"] != "none" {
		fmt.Fprintf(c.Err, "%d+%d records in\n%d+%d records out\n%d bytes (%s) copied\n", full, partial, full, partial, total, human(total))
	}
	if err != nil {
		return c.fail("%s", vfs.Reason(err))
	}
	return 0
}

func (c *Call) blocks(out io.Writer, in io.Reader, size, count int64) (full, partial, total int64, err error) {
	buf := make([]byte, size)
	for full+partial < count {
		if err := c.Ctx.Err(); err != nil {
			return full, partial, total, err
		}
		n, rerr := in.Read(buf)
		if n > 0 {
			if int64(n) == size {
				full++
			} else {
				partial++
			}
			m, werr := out.Write(buf[:n])
			total += int64(m)
			if werr != nil {
				return full, partial, total, werr
			}
		}
		if rerr == io.EOF {
			break
		}
		if rerr != nil {
			return full, partial, total, rerr
		}
	}
	return full, partial, total, nil
}

func xxd(c *Call) int {
	o, ok := c.parse("pl:s:")
	if !ok {
		return 1
	}
	return c.inputs(o.args, func(_ string, r io.Reader) error {
		if o.flags['l'] {
			n, _ := parseSize(o.value['l'])
			r = io.LimitReader(r, n)
		}
		buf := make([]byte, map[bool]int{true: 30, false: 16}[o.flags['p']])
		for at := 0; c.Ctx.Err() == nil; at += 16 {
			n, err := io.ReadFull(r, buf)
			if n == 0 {
				return nil
			}
			if o.flags['p'] {
				c.printf("%s\n", hex.EncodeToString(buf[:n]))
			} else {
				c.printf("%s", dumpLine(at, buf[:n]))
			}
			if err != nil {
				return nil
			}
		}
		return c.Ctx.Err()
	})
}

func dumpLine(at int, p []byte) string {
	var digits, text strings.Builder
	for i, b := range p {
		if i > 0 && i%2 == 0 {
			digits.WriteByte(' ')
		}
		fmt.Fprintf(&digits, "%02x", b)
		if b < 0x20 || b > 0x7e {
			b = '.'
		}
		text.WriteByte(b)
	}
	return fmt.Sprintf("%08x: %-39s  %s\n", at, digits.String(), text.String())
}
