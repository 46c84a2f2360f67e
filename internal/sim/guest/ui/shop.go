package ui

import (
	"fmt"
	"image"
	"strings"
	"time"
)

const (
	shopPackage = "com.example.shop"
	// shopItems is how many things the shop has.
	shopItems = 60
	// orderTime is how long an order takes until its number shows.
	orderTime = 1500 * time.Millisecond
)

// page is what the shop shows.
type page int

const (
	pageList page = iota
	pageItem
	pageOrder
)

// shopApp is an app to be driven: a search, a long list, a page for each thing, and a form whose answer comes a
// little later. It keeps nothing when it is stopped.
type shopApp struct {
	page    page
	item    int
	scroll  int
	cart    int
	gift    map[int]bool
	notify  map[int]bool
	focus   *field
	search  field
	person  field
	code    field
	ordered time.Time // zero: not yet
}

func (*shopApp) name() string { return "Shop" }

func (*shopApp) component() (pkg, activity string) { return shopPackage, ".MainActivity" }

func (a *shopApp) field() *field { return a.focus }

// back goes from a page to the one before it.
func (a *shopApp) back() bool {
	if a.page == pageList {
		return false
	}
	a.show(a.page - 1)
	return true
}

// stopped is the app as it is begun.
func (a *shopApp) stopped() { *a = shopApp{} }

func (a *shopApp) show(p page) { a.page, a.focus = p, nil }

// thing is the name of an item.
func thing(i int) string {
	return []string{"Anvil", "Bucket", "Candle", "Drum", "Easel", "Flute", "Globe", "Hammer", "Inkpot", "Jar"}[i%10] + fmt.Sprintf(" %02d", i+1)
}

func price(i int) string { return fmt.Sprintf("$%d.50", 3+i*7%40) }

func (a *shopApp) build(p *Phone, l layout) *View {
	c := l.colors()
	root := &View{Class: "android.widget.LinearLayout", Package: shopPackage, Bounds: l.Rectangle, Look: Look{Fill: c.back}}
	bar, rest := title(a, l)
	basket := image.Rect(bar.Bounds.Max.X-l.dp(112), bar.Bounds.Min.Y+l.dp(8), bar.Bounds.Max.X-l.dp(8), bar.Bounds.Max.Y-l.dp(8))
	bar.Bounds.Max.X = basket.Min.X
	root.Children = []*View{bar, a.button(l, "cart", fmt.Sprintf("CART (%d)", a.cart), basket, func() { a.show(pageOrder); p.ime = false })}
	switch a.page {
	case pageList:
		root.Children = append(root.Children, a.list(p, rest)...)
	case pageItem:
		root.Children = append(root.Children, a.detail(rest)...)
	case pageOrder:
		root.Children = append(root.Children, a.form(p, rest)...)
	}
	return root
}

func (a *shopApp) button(l layout, id, label string, at image.Rectangle, tap func()) *View {
	return &View{Class: "android.widget.Button", Package: shopPackage, ID: shopPackage + ":id/" + id, Text: label, Bounds: at, Clickable: true,
		Focusable: true, tap: tap, Look: Look{Fill: l.colors().accent, Round: l.dp(8), Ink: rgb(0xffffff), Size: l.dp(15), Center: true}}
}

func (a *shopApp) text(l layout, id, text string, at image.Rectangle, size int) *View {
	return &View{Class: "android.widget.TextView", Package: shopPackage, ID: shopPackage + ":id/" + id, Text: text, Bounds: at,
		Look: Look{Ink: l.colors().ink, Size: l.dp(size)}}
}

// edit is a text field.
func (a *shopApp) edit(p *Phone, l layout, id, hint string, f *field, at image.Rectangle) *View {
	c := l.colors()
	v := &View{Class: "android.widget.EditText", Package: shopPackage, ID: shopPackage + ":id/" + id, Bounds: at,
		Clickable: true, LongClickable: true, Focusable: true, Focused: a.focus == f,
		tap:  func() { a.focus, p.ime, f.all = f, true, false },
		long: func() { a.focus, p.ime, f.all = f, true, len(f.text) > 0 }}
	f.show(v, hint, a.focus == f, Look{Fill: c.surface, Round: l.dp(8), Ink: c.ink, Size: l.dp(18), Padding: l.dp(12)}, c.faint)
	return v
}

// found are the items that the search leaves.
func (a *shopApp) found() (items []int) {
	for i := range shopItems {
		if strings.Contains(strings.ToLower(thing(i)), strings.ToLower(string(a.search.text))) {
			items = append(items, i)
		}
	}
	return items
}

func (a *shopApp) list(p *Phone, l layout) []*View {
	a.search.changed = func() { a.scroll = 0 }
	a.search.enter = func() { p.ime = false }
	search := a.edit(p, l, "search", "Search the shop", &a.search, row(l.Rectangle, l.Min.Y, l.dp(56)).Inset(l.dp(6)))
	l.Min.Y = min(l.Min.Y+l.dp(56), l.Max.Y)
	items, height := a.found(), l.dp(72)
	most := max(0, len(items)*height-l.Dy())
	a.scroll = min(max(a.scroll, 0), most)
	list := &View{Class: "androidx.recyclerview.widget.RecyclerView", Package: shopPackage, ID: shopPackage + ":id/products", Bounds: l.Rectangle,
		Scrollable: most > 0, Focusable: true, drag: func(_, dy int) { a.scroll -= dy }}
	for n, i := range items {
		at := row(l.Rectangle, l.Min.Y+n*height-a.scroll, height)
		if !at.Overlaps(l.Rectangle) {
			continue // as a RecyclerView has only what can be seen
		}
		inner := at.Inset(l.dp(12))
		name, cost := inner, inner
		name.Max.X, cost.Min.X = inner.Max.X-l.dp(80), inner.Max.X-l.dp(80)
		list.Children = append(list.Children, &View{Class: "android.view.ViewGroup", Package: shopPackage, ID: shopPackage + ":id/product", Bounds: at,
			Clickable: true, Focusable: true, tap: func() { a.item = i; a.show(pageItem); p.ime = false },
			Children: []*View{a.text(l, "name", thing(i), name, 18), a.text(l, "price", price(i), cost, 16)}})
	}
	return []*View{search, list}
}

func (a *shopApp) detail(l layout) []*View {
	if a.gift == nil {
		a.gift, a.notify = map[int]bool{}, map[int]bool{}
	}
	i := a.item
	at := func(n int) image.Rectangle { return row(l.Inset(l.dp(16)), l.Min.Y+l.dp(16+n*56), l.dp(48)) }
	switched := func(class, id, label string, on map[int]bool, where image.Rectangle) *View {
		knob := where
		knob.Max.X = min(where.Max.X, where.Min.X+l.dp(48))
		words := where
		words.Min.X = min(where.Max.X, where.Min.X+l.dp(64))
		return &View{Class: class, Package: shopPackage, ID: shopPackage + ":id/" + id, Text: label, Bounds: where, Clickable: true, Focusable: true,
			Checkable: true, Checked: on[i], tap: func() { on[i] = !on[i] },
			Children: []*View{
				{Hidden: true, Bounds: knob.Inset(l.dp(10)), Checked: on[i], Look: Look{Fill: l.colors().faint, Ink: l.colors().accent, Switch: true}},
				{Hidden: true, Text: label, Bounds: words, Look: Look{Ink: l.colors().ink, Size: l.dp(18)}},
			}}
	}
	return []*View{
		a.text(l, "title", thing(i), at(0), 22), a.text(l, "price", price(i), at(1), 18),
		switched("android.widget.CheckBox", "gift", "Gift wrap", a.gift, at(2)),
		switched("android.widget.Switch", "notify", "Tell me when it is cheaper", a.notify, at(3)),
		a.button(l, "add", "ADD TO CART", at(4), func() { a.cart++ }),
	}
}

func (a *shopApp) form(p *Phone, l layout) []*View {
	at := func(n int) image.Rectangle { return row(l.Inset(l.dp(16)), l.Min.Y+l.dp(12+n*60), l.dp(52)) }
	a.person.enter = func() { a.focus = &a.code }
	a.code.enter = func() { p.ime = false }
	code := a.edit(p, l, "code", "Voucher code", &a.code, at(1))
	code.Password = true
	if len(a.code.text) > 0 {
		code.Text = strings.Repeat("•", len(a.code.text)) // what TextView tells of a password
	}
	order := a.button(l, "order", "PLACE ORDER", at(2), func() { a.ordered, a.focus, p.ime = p.store.Now(), nil, false })
	order.Disabled = a.cart == 0 || len(a.person.text) == 0
	if order.Disabled {
		order.Look.Fill, order.tap = l.colors().faint, func() {}
	}
	views := []*View{a.edit(p, l, "person", "Your name", &a.person, at(0)), code, order}
	switch since := p.store.Now().Sub(a.ordered); {
	case a.ordered.IsZero():
	case since < orderTime:
		views = append(views, &View{Class: "android.widget.ProgressBar", Package: shopPackage, ID: shopPackage + ":id/progress", Bounds: at(3),
			Description: "Placing the order", Look: Look{Ink: l.colors().faint}})
	default:
		views = append(views, a.text(l, "result", fmt.Sprintf("Order placed for %s: %d of %s", string(a.person.text), a.cart, thing(a.item)), at(3), 16))
	}
	return views
}
