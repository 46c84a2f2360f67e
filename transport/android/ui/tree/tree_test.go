package tree_test

import (
	"fmt"
	"image"
	"strings"
	"testing"

	"github.com/daytonaio/runner-android/transport/android/ui/tree"
)

const head = `<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>`

// node is one as uiautomator writes it, with other attributes first.
func node(bounds, attributes string, children ...string) string {
	return `<node ` + attributes + ` bounds="` + bounds + `">` + strings.Join(children, "") + `</node>`
}

func dump(nodes ...string) []byte {
	return []byte(head + `<hierarchy rotation="1">` + strings.Join(nodes, "") + `</hierarchy>`)
}

func parse(t testing.TB, xml []byte) *tree.Tree {
	t.Helper()
	got, err := tree.Parse(xml)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// Ensure everything that uiautomator tells of an element is read, in whatever quotes and entities.
func TestParse(t *testing.T) {
	t.Parallel()
	got := parse(t, dump(`<node NAF="true" index="0" text='say "hi" &amp; &lt;go&gt; &apos;&#10;&#128512;' resource-id="com.x:id/a" class="android.widget.Button" package="com.x" `+
		`content-desc="d" checkable="true" checked="true" clickable="true" enabled="false" focusable="true" focused="true" scrollable="true" `+
		`long-clickable="true" password="true" selected="true" bounds="[-4,10][20,40]" drawing-order="3"><node bounds="[1,2][3,4]" /></node>`))
	n := got.Root
	if got.Rotation != 1 || got.Size != 2 || n.Text != "say \"hi\" & <go> '\n\U0001F600" || n.ResourceID != "com.x:id/a" || n.Name() != "a" || n.Role() != "Button" ||
		n.Package != "com.x" || n.Description != "d" || n.Bounds != image.Rect(-4, 10, 20, 40) || n.Enabled {
		t.Errorf("read %+v", n)
	}
	for i, flag := range []bool{n.Checkable, n.Checked, n.Clickable, n.Focusable, n.Focused, n.Scrollable, n.LongClickable, n.Password, n.Selected} {
		if !flag {
			t.Errorf("flag %d is not read", i)
		}
	}
	if child := n.Children[0]; child.ID != "0.0" || child.Parent != n || !child.Enabled {
		t.Errorf("below it %+v", child)
	}
}

// Ensure what is no dump, or one to do harm, is refused with a reason.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`<node bounds="[0,0][1,1]">`, 201) + strings.Repeat(`</node>`, 201)
	many := node("[0,0][1,1]", "", strings.Repeat(`<node bounds="[0,0][1,1]"/>`, 20_000))
	for _, tt := range []struct{ name, xml, want string }{
		{"nothing", "", "unexpected EOF"},
		{"words", "ERROR: null root node", "unexpected EOF"},
		{"an empty hierarchy", string(dump()), "no element"},
		{"a half", string(dump(node("[0,0][1,1]", ""))[:120]), "EOF"},
		{"an element that is not closed", head + `<hierarchy><node bounds="[0,0][1,1]"></hierarchy>`, "nothing of that name is open"},
		{"two roots", string(dump(node("[0,0][1,1]", ""), node("[0,0][1,1]", ""))), "two roots"},
		{"another document", "<html></html>", "no place"},
		{"something behind the end", string(dump(node("[0,0][1,1]", ""))) + "<node/>", "after the end"},
		{"a document type", `<!DOCTYPE a [<!ENTITY b "` + strings.Repeat("x", 1000) + `">]>` + string(dump(node("[0,0][1,1]", `text="&b;"`))), "document type"},
		{"an entity", string(dump(node("[0,0][1,1]", `text="&b;"`))), "invalid character entity"},
		{"a NUL", string(dump(node("[0,0][1,1]", "text=\"a\x00b\""))), "illegal character"},
		{"a NUL as a number", string(dump(node("[0,0][1,1]", `text="&#0;"`))), "illegal character"},
		{"no UTF-8", string(dump(node("[0,0][1,1]", "text=\"\xff\""))), "UTF-8"},
		{"another encoding", `<?xml version='1.0' encoding='UTF-16'?><hierarchy/>`, "encoding"},
		{"bounds that lie", string(dump(node("[0,0][99999999999,1]", ""))), "no bounds"},
		{"no bounds", string(dump(node("left", ""))), `"left" are no bounds`},
		{"too deep", string(dump(deep)), "deeper than 200"},
		{"too many", string(dump(many)), "more than 20000"},
		{"too large", strings.Repeat(" ", tree.MaxBytes+1), "larger than"},
	} {
		if _, err := tree.Parse([]byte(tt.xml)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// Ensure an element is tapped where it is seen and nothing in front takes the touch.
func TestTapPoints(t *testing.T) {
	t.Parallel()
	const button = `clickable="true"`
	root := func(children ...string) []byte { return dump(node("[0,0][100,100]", "", children...)) }
	for _, tt := range []struct {
		name string
		xml  []byte
		id   string
		want string
	}{
		{"the middle", root(node("[0,0][40,20]", button)), "0.0", "(20,10)"},
		{"what is on the screen", root(node("[80,0][140,20]", button)), "0.0", "(90,10)"},
		{"what the list shows", root(node("[0,50][100,100]", `scrollable="true"`, node("[0,40][100,60]", button))), "0.0.0", "(50,55)"},
		{"nothing of what has scrolled away", root(node("[0,50][100,100]", "", node("[0,10][100,40]", button))), "0.0.0", "nowhere"},
		{"nothing of what has no size", root(node("[5,5][5,9]", button)), "0.0", "nowhere"},
		{"beside a bar in front", root(node("[0,0][100,100]", button), node("[0,0][100,60]", button)), "0.0", "(50,80)"},
		{"through a text in front", root(node("[0,0][100,100]", button), node("[0,0][100,100]", `text="x"`)), "0.0", "(50,50)"},
		{"nowhere below a dialog", root(node("[10,10][20,20]", button), node("[0,0][100,100]", button)), "0.0", "nowhere"},
		{"what lies in front itself", root(node("[10,10][20,20]", button), node("[0,0][100,100]", button)), "0.1", "(50,50)"},
		{"a row beside its switch", root(node("[0,0][100,20]", button, node("[80,0][100,20]", `checkable="true"`))), "0.0", "(40,10)"},
		{"a button full of its icon", root(node("[0,0][100,20]", button, node("[0,0][100,20]", button))), "0.0", "(50,10)"},
	} {
		got := "none"
		for n := range parse(t, tt.xml).All() {
			if n.ID == tt.id {
				got = "nowhere"
				if n.Tap != nil {
					got = n.Tap.String()
				}
			}
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// Ensure a screen is told in few words, in bounded length, and says what it left out.
func TestText(t *testing.T) {
	t.Parallel()
	row := func(i int, label string) string {
		return node(fmt.Sprintf("[0,%d][100,%d]", i*10, i*10+10), `clickable="true" class="a.ViewGroup" resource-id="x:id/row"`,
			node(fmt.Sprintf("[0,%d][50,%d]", i*10, i*10+10), `text="`+label+`" class="a.TextView"`),
			node(fmt.Sprintf("[60,%d][100,%d]", i*10, i*10+10), `checkable="true" checked="true" class="a.Switch"`))
	}
	short := dump(node("[0,0][100,100]", `class="a.Frame"`, node("[0,80][100,90]", `class="a.EditText" focused="true" text="" password="true"`),
		row(0, "Wi&#10;Fi"), node("[0,90][100,100]", `class="a.View" content-desc="say" text="hi" enabled="false"`), node("[0,200][9,210]", `text="gone"`)))
	want := `[1] EditText "" focused password @50,85
[2] ViewGroup "Wi Fi" #row clickable @30,5
[3] Switch on @80,5
[4] View "hi" (say) disabled @50,95
`
	if got := parse(t, short).Text(false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := parse(t, short).Text(true); strings.Count(got, "\n") != 6 || !strings.Contains(got, `TextView "Wi Fi" @25,5`) {
		t.Errorf("all of it is\n%s", got)
	}
	var rows []string
	for range 2000 {
		rows = append(rows, row(0, strings.Repeat("w", 300)))
	}
	got := parse(t, dump(node("[0,0][100,1000]", "", rows...))).Text(false)
	if len(got) > tree.MaxText || !strings.Contains(got, " more, cut here") || strings.Contains(got, strings.Repeat("w", 120)) {
		t.Errorf("%d bytes, the last %q", len(got), got[len(got)-80:])
	}
}

// Ensure two dumps are the same only if all of their elements are.
func TestSame(t *testing.T) {
	t.Parallel()
	one := parse(t, dump(node("[0,0][9,9]", "", node("[0,0][1,1]", `text="a"`))))
	for xml, want := range map[string]bool{
		node("[0,0][9,9]", "", node("[0,0][1,1]", `text="a"`)):                         true,
		node("[0,0][9,9]", "", node("[0,0][1,2]", `text="a"`)):                         false,
		node("[0,0][9,9]", "", node("[0,0][1,1]", `text="a" focused="true"`)):          false,
		node("[0,0][9,9]", "", node("[0,0][1,1]", `text="a"`), node("[0,0][1,1]", "")): false,
	} {
		if got := tree.Same(one.Root, parse(t, dump(xml)).Root); got != want {
			t.Errorf("%s: %t", xml, got)
		}
	}
}

// Ensure the largest screen that is read costs little, wherever its elements lie.
func TestHostileScreenIsCheap(t *testing.T) {
	t.Parallel()
	var rows strings.Builder
	for i := range 19_000 {
		fmt.Fprintf(&rows, `<node clickable="true" bounds="[%d,%d][%d,%d]"/>`, i%700, i%900, i%700+300, i%900+300)
	}
	got := parse(t, dump(node("[0,0][1000,1000]", `clickable="true"`, rows.String())))
	if got.Size != 19_001 || len(got.Text(true)) > tree.MaxText {
		t.Errorf("%d elements", got.Size)
	}
}

// Ensure no dump breaks the reader, and all that it makes of one holds together.
func FuzzParse(f *testing.F) {
	f.Add(dump(node("[0,0][100,100]", `clickable="true"`, node("[1,1][5,5]", `text="x"`))))
	f.Add([]byte(head + `<hierarchy rotation="9"><node bounds="[5,5][1,1]"/></hierarchy>`))
	f.Fuzz(func(t *testing.T, xml []byte) {
		got, err := tree.Parse(xml)
		if err != nil {
			return
		}
		n := 0
		for node := range got.All() {
			n++
			if node.Tap != nil && !node.Tap.In(node.Bounds) {
				t.Errorf("%v is tapped at %v", node.Bounds, node.Tap)
			}
		}
		if n != got.Size || len(got.Text(false)) > tree.MaxText || !tree.Same(got.Root, got.Root) {
			t.Errorf("%d of %d elements", n, got.Size)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	var rows []string
	for i := range 200 {
		rows = append(rows, node(fmt.Sprintf("[0,%d][700,%d]", i*6, i*6+6), `index="0" text="row" resource-id="com.example:id/row" class="android.widget.LinearLayout" package="com.example" `+
			`content-desc="" checkable="false" checked="false" clickable="true" enabled="true" focusable="true" focused="false" scrollable="false" long-clickable="false" password="false" selected="false"`))
	}
	xml := dump(node("[0,0][720,1280]", "", rows...))
	b.SetBytes(int64(len(xml)))
	for b.Loop() {
		parse(b, xml)
	}
}
