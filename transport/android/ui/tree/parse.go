package tree

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"io"
	"regexp"
	"strconv"
)

// Bounds of what is read.
const (
	MaxBytes = 8 << 20
	maxDepth = 200
	maxNodes = 20_000
	// farthest is the largest coordinate that is believed.
	farthest = 1 << 20
)

// Errors of dumps that are refused for their size.
var (
	ErrTooLarge = fmt.Errorf("the dump of the screen is larger than %d bytes", MaxBytes)
	errTooDeep  = fmt.Errorf("the dump of the screen is deeper than %d elements", maxDepth)
	errTooMany  = fmt.Errorf("the dump of the screen has more than %d elements", maxNodes)
	errEmpty    = errors.New("the dump of the screen has no element")
)

// Parse reads a dump. The error says what is wrong with it. The slice is not kept.
func Parse(dump []byte) (*Tree, error) {
	if len(dump) > MaxBytes {
		return nil, ErrTooLarge
	}
	r := reader{tree: &Tree{}}
	decoder := xml.NewDecoder(bytes.NewReader(dump))
	for {
		token, err := decoder.RawToken() // the nesting is checked here, without a stack that dumps could grow
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = r.take(token)
		}
		if err != nil {
			return nil, fmt.Errorf("the dump of the screen is no XML of uiautomator's: %w", err)
		}
	}
	if len(r.open) > 0 || !r.closed {
		return nil, fmt.Errorf("the dump of the screen is no XML of uiautomator's: %w", io.ErrUnexpectedEOF)
	}
	if r.tree.Root == nil {
		return nil, errEmpty
	}
	r.tree.place()
	return r.tree, nil
}

// reader builds a tree of tokens.
type reader struct {
	tree   *Tree
	open   []*Node // from the root to where the reader is
	inside bool    // the hierarchy was begun
	closed bool    // … and ended
}

func (r *reader) take(token xml.Token) error {
	switch t := token.(type) {
	case xml.StartElement:
		return r.begin(t)
	case xml.EndElement:
		return r.end(t.Name.Local)
	case xml.Directive:
		return errors.New("it declares a document type")
	}
	return nil
}

func (r *reader) begin(t xml.StartElement) error {
	switch {
	case r.closed:
		return fmt.Errorf("<%.20s> after the end", t.Name.Local)
	case t.Name.Local == "hierarchy" && !r.inside:
		r.inside = true
		for _, a := range t.Attr {
			if a.Name.Local == "rotation" {
				r.tree.Rotation, _ = strconv.Atoi(a.Value)
				r.tree.Rotation &= 3
			}
		}
		return nil
	case t.Name.Local != "node" || !r.inside:
		return fmt.Errorf("<%.20s> where it has no place", t.Name.Local)
	case len(r.open) == maxDepth:
		return errTooDeep
	case r.tree.Size == maxNodes:
		return errTooMany
	}
	n, err := nodeOf(t.Attr)
	if err != nil {
		return err
	}
	n.order = r.tree.Size
	r.tree.Size++
	switch {
	case len(r.open) > 0:
		n.Parent = r.open[len(r.open)-1]
		n.ID = n.Parent.ID + "." + strconv.Itoa(len(n.Parent.Children))
		n.Parent.Children = append(n.Parent.Children, n)
	case r.tree.Root != nil:
		return errors.New("it has two roots")
	default:
		n.ID = "0"
		r.tree.Root = n
	}
	r.open = append(r.open, n)
	return nil
}

func (r *reader) end(name string) error {
	switch {
	case name == "node" && len(r.open) > 0:
		r.open[len(r.open)-1].last = r.tree.Size - 1
		r.open = r.open[:len(r.open)-1]
	case name == "hierarchy" && r.inside && !r.closed && len(r.open) == 0:
		r.closed = true
	default:
		return fmt.Errorf("</%.20s> where nothing of that name is open", name)
	}
	return nil
}

func nodeOf(attributes []xml.Attr) (*Node, error) {
	n := &Node{Enabled: true}
	for _, a := range attributes {
		switch v := a.Value; a.Name.Local {
		case "class":
			n.Class = v
		case "package":
			n.Package = v
		case "text":
			n.Text = v
		case "content-desc":
			n.Description = v
		case "resource-id":
			n.ResourceID = v
		case "bounds":
			var err error
			if n.Bounds, err = boundsOf(v); err != nil {
				return nil, err
			}
		default:
			if flag := n.flag(a.Name.Local); flag != nil {
				*flag = v == "true"
			}
		}
	}
	return n, nil
}

// flag is the property of this name; nil if there is none.
func (n *Node) flag(name string) *bool {
	switch name {
	case "checkable":
		return &n.Checkable
	case "checked":
		return &n.Checked
	case "clickable":
		return &n.Clickable
	case "enabled":
		return &n.Enabled
	case "focusable":
		return &n.Focusable
	case "focused":
		return &n.Focused
	case "scrollable":
		return &n.Scrollable
	case "long-clickable":
		return &n.LongClickable
	case "password":
		return &n.Password
	case "selected":
		return &n.Selected
	}
	return nil
}

var corners = regexp.MustCompile(`^\[(-?\d{1,9}),(-?\d{1,9})\]\[(-?\d{1,9}),(-?\d{1,9})\]$`)

// boundsOf reads [x1,y1][x2,y2]. Corners the wrong way round, as of what has scrolled away, are an empty rectangle.
func boundsOf(text string) (image.Rectangle, error) {
	m := corners.FindStringSubmatch(text)
	if m == nil {
		return image.Rectangle{}, fmt.Errorf("%.60q are no bounds", text)
	}
	var at [4]int
	for i := range at {
		n, _ := strconv.Atoi(m[i+1]) // digits that the pattern has bounded
		at[i] = min(max(n, -farthest), farthest)
	}
	return image.Rectangle{Min: image.Pt(at[0], at[1]), Max: image.Pt(max(at[0], at[2]), max(at[1], at[3]))}, nil
}
