package input

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kind is what an event does.
type Kind int

// The kinds of events.
const (
	Text   Kind = iota + 1 // Words, which stand for what is typed
	Key                    // Codes, pressed together if there are several
	Touch                  // a finger: Action at X, Y
	Wait                   // Pause
	Scroll                 // a wheel at X, Y: VScroll, HScroll
	Roll                   // a trackball
)

// Action is what a finger does.
type Action int

// The actions of a finger.
const (
	Down Action = iota + 1
	Move
	Up
	Cancel
)

// Event is one step of a command.
type Event struct {
	Kind             Kind
	Words            string
	Codes            []int
	Long             bool
	Action           Action
	X, Y             float64
	VScroll, HScroll float64
	Pause            time.Duration
}

// Error is what input says about arguments it does not take, in words of its release.
type Error struct {
	Command string // "" if the arguments have none
	Class   string // Java class of the exception; "" is an unknown command
	Text    string
}

func (e *Error) Error() string { return e.Text }

// ErrUsage is a command line that asks for the help text.
type usage struct{}

func (usage) Error() string { return "usage" }

// ErrUsage is returned for a command line without a command, or with help.
var ErrUsage error = usage{}

// firstNew is the Android version whose input runs inside system_server.
const firstNew = 12

func isSource(word string) bool {
	return slices.Contains(strings.Fields("keyboard dpad gamepad touchscreen mouse stylus trackball touchpad touchnavigation joystick rotaryencoder"), word)
}

// parser reads arguments one by one.
type parser struct {
	args    []string
	release int
	source  string
	command string
}

// Parse reads input's arguments, without its name, for an Android version.
func Parse(args []string, release int) ([]Event, error) {
	p := &parser{args: args, release: release}
	if len(p.args) > 0 && isSource(p.args[0]) {
		p.source, p.args = p.args[0], p.args[1:]
	}
	if len(p.args) > 1 && p.args[0] == "-d" {
		if _, err := strconv.Atoi(p.args[1]); err != nil && p.args[1] != "INVALID_DISPLAY" && p.args[1] != "DEFAULT_DISPLAY" {
			return nil, &Error{"", "IllegalArgumentException", "Error: Invalid arguments for display ID."}
		}
		p.args = p.args[2:]
	}
	if len(p.args) == 0 || p.args[0] == "help" || p.args[0] == "-h" || p.args[0] == "--help" {
		return nil, ErrUsage
	}
	p.command, p.args = p.args[0], p.args[1:]
	switch p.command {
	case "text":
		return p.text()
	case "keyevent":
		return p.keyevent()
	case "tap":
		at, err := p.numbers(2)
		if err != nil {
			return nil, err
		}
		return []Event{finger(Down, at), finger(Up, at)}, nil
	case "swipe":
		return p.swipe(0)
	case "draganddrop":
		return p.swipe(500 * time.Millisecond) // a long press comes first
	case "press":
		return []Event{{Kind: Key, Codes: []int{23}}}, nil // the trackball's button
	case "roll":
		by, err := p.numbers(2)
		if err != nil {
			return nil, err
		}
		return []Event{{Kind: Roll, X: by[0], Y: by[1]}}, nil
	case "motionevent":
		return p.motion()
	case "keycombination":
		if release >= firstNew {
			return p.combination()
		}
	case "scroll":
		if release >= firstNew {
			return p.scroll()
		}
	}
	return nil, &Error{p.command, "", "Unknown command: " + p.command}
}

// next is the next argument; a missing one is what Java makes of it.
func (p *parser) next() (string, error) {
	if len(p.args) == 0 {
		after := p.command
		return "", &Error{p.command, "IllegalArgumentException", fmt.Sprintf("Argument expected after %q", after)}
	}
	arg := p.args[0]
	p.args = p.args[1:]
	return arg, nil
}

// limit bounds coordinates: they become pixels.
const limit = 1e6

func (p *parser) numbers(n int) ([]float64, error) {
	list := make([]float64, n)
	for i := range list {
		arg, err := p.next()
		if err != nil {
			return nil, err
		}
		v, err := strconv.ParseFloat(arg, 32)
		if err != nil || v != v || v > limit || v < -limit {
			return nil, &Error{p.command, "NumberFormatException", fmt.Sprintf("For input string: %q", arg)}
		}
		list[i] = v
	}
	return list, nil
}

func finger(a Action, at []float64) Event { return Event{Kind: Touch, Action: a, X: at[0], Y: at[1]} }

// maxPause bounds what a swipe may take.
const maxPause = time.Minute

func (p *parser) duration(usual time.Duration) (time.Duration, error) {
	if len(p.args) == 0 {
		return usual, nil
	}
	arg, _ := p.next()
	ms, err := strconv.Atoi(arg)
	if err != nil {
		return 0, &Error{p.command, "NumberFormatException", fmt.Sprintf("For input string: %q", arg)}
	}
	if ms < 0 {
		return usual, nil
	}
	return min(time.Duration(ms)*time.Millisecond, maxPause), nil
}

// swipe is a finger that goes from one place to another; hold is how long it rests before.
func (p *parser) swipe(hold time.Duration) ([]Event, error) {
	at, err := p.numbers(4)
	if err != nil {
		return nil, err
	}
	takes, err := p.duration(300 * time.Millisecond)
	if err != nil {
		return nil, err
	}
	const steps = 10
	events := []Event{finger(Down, at[:2])}
	if hold > 0 {
		events = append(events, Event{Kind: Wait, Pause: hold})
	}
	for i := 1; i <= steps; i++ {
		f := float64(i) / steps
		events = append(events, Event{Kind: Wait, Pause: takes / steps},
			finger(Move, []float64{at[0] + (at[2]-at[0])*f, at[1] + (at[3]-at[1])*f}))
	}
	return append(events, finger(Up, at[2:])), nil
}

func (p *parser) motion() ([]Event, error) {
	name, err := p.next()
	if err != nil {
		return nil, err
	}
	action, known := map[string]Action{"DOWN": Down, "MOVE": Move, "UP": Up, "CANCEL": Cancel}[strings.ToUpper(name)]
	if !known {
		return nil, &Error{p.command, "IllegalArgumentException", "Unknown action: " + name}
	}
	at := []float64{0, 0}
	if action != Cancel || len(p.args) > 0 {
		if at, err = p.numbers(2); err != nil {
			return nil, err
		}
	}
	if p.source == "mouse" && action == Move {
		return nil, nil // a pointer without a button
	}
	return []Event{finger(action, at)}, nil
}

func (p *parser) scroll() ([]Event, error) {
	e := Event{Kind: Scroll}
	if p.source == "mouse" || p.source == "" && len(p.args) > 1 && !strings.HasPrefix(p.args[0], "-") {
		at, err := p.numbers(2)
		if err != nil {
			return nil, err
		}
		e.X, e.Y = at[0], at[1]
	}
	for len(p.args) > 0 {
		option, _ := p.next()
		if option != "--axis" {
			return nil, &Error{p.command, "IllegalArgumentException", "Unsupported option: " + option}
		}
		value, err := p.next()
		if err != nil {
			return nil, err
		}
		axis, number, found := strings.Cut(value, ",")
		n, nerr := strconv.ParseFloat(number, 32)
		if !found || nerr != nil || n != n || n > limit || n < -limit {
			return nil, &Error{p.command, "IllegalArgumentException", "Invalid --axis option: " + value}
		}
		switch axis {
		case "VSCROLL", "SCROLL":
			e.VScroll = n
		case "HSCROLL":
			e.HScroll = n
		default:
			return nil, &Error{p.command, "IllegalArgumentException", "Unsupported axis: " + axis}
		}
	}
	return []Event{e}, nil
}
