package ui_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/transport"
	"github.com/daytonaio/runner-android/transport/android"
	"github.com/daytonaio/runner-android/transport/android/ui"
	"github.com/daytonaio/runner-android/transport/lease"
	"github.com/daytonaio/runner-android/transport/toolbox"
	"github.com/daytonaio/runner-android/transport/toolbox/guestshell/guestshelltest"
	"github.com/daytonaio/runner-android/transport/transporttest"
)

func TestMain(m *testing.M) { transporttest.Main(m) }

const base = "/sandboxes/dev-1/android/ui"

// phone is a guest whose uiautomator tells screens one after the other, the last one for ever. Its shell is mksh.
type phone struct {
	*guestshelltest.Guest
	t *testing.T
}

// newPhone shows these screens: the nodes of each, in the order in which it is looked at them.
func newPhone(t *testing.T, screens ...string) *phone {
	t.Helper()
	p := &phone{guestshelltest.New(t, map[string]string{
		"dumpsys": "echo '    init=720x1280 320dpi cur=720x1280 app=720x1232'; echo '  mCurrentFocus=Window{1a u0 com.x/com.x.Main}'",
	}), t}
	p.Program("input", "cat >/dev/null") // it reads what it can
	p.Program("uiautomator", "n=0; read -r n <'"+p.Dir()+"/looks'; echo $((n+1)) >'"+p.Dir()+"/looks'\n"+
		"f='"+p.Dir()+"'/screen.$n; [[ -f $f ]] || f='"+p.Dir()+"/screen'\ncat \"$f\" >\"$2\"; echo \"UI hierchary dumped to: $2\"")
	p.show(screens...)
	return p
}

func (p *phone) show(screens ...string) {
	p.t.Helper()
	for i, s := range screens {
		name := fmt.Sprintf("screen.%d", i)
		if i == len(screens)-1 {
			name = "screen"
		}
		p.write(name, `<?xml version='1.0' encoding='UTF-8' standalone='yes' ?><hierarchy rotation="0"><node class="android.widget.FrameLayout" package="com.x" bounds="[0,0][720,1280]">`+
			s+`</node></hierarchy>`)
	}
	p.write("looks", "0\n")
}

func (p *phone) write(name, text string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.Dir(), name), []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *phone) read(name string) string {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.Dir(), name))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(text)
}

// left are the dumps that are still there.
func (p *phone) left() []string {
	p.t.Helper()
	found, err := filepath.Glob(filepath.Join(p.Dir(), ".ui-*"))
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}

// acts are the calls of input since the last time, in one line.
func (p *phone) acts() string {
	var acts []string
	for _, line := range p.Lines() {
		if act, ok := strings.CutPrefix(line, "input "); ok {
			acts = append(acts, act)
		}
	}
	return strings.Join(acts, "; ")
}

func (p *phone) serve(left <-chan struct{}) *transporttest.Client {
	p.t.Helper()
	kit := android.NewKit(lease.New(transporttest.Lessor(left), nil), p)
	return transporttest.Start(p.t, transport.Options{}, func(s *transport.Server) {
		door := ui.New(kit, ui.Options{})
		android.Mount(s, door.Routes())
		toolbox.Mount(s, door.ToolboxRoutes())
	})
}

// element is a node with a text.
func element(class, text, bounds, more string) string {
	return `<node class="android.widget.` + class + `" package="com.x" text="` + text + `" bounds="` + bounds + `" ` + more + `/>`
}
