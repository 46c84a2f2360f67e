// Package tree reads what uiautomator dumps of an Android screen, and says of each element where a finger
// reaches it.
//
// Words: a [Tree] is the window in front, as Android's accessibility tells it; a [Node] is an element of it; its
// id is the path of child indexes from the root ("0.2.1"), which means something in this one dump; its tap point
// lies in the part of it that is seen and that nothing in front would catch touches of.
//
//	t, err := tree.Parse(xml)
//	for n := range t.All() { fmt.Println(n.ID, n.Role(), n.Label(), n.Tap) }
//
// The format is that of Android 5 to 16: attributes that are missing or new change nothing. What is read is what an app on the
// device has written, so that it is bounded: in size, depth and number of elements, without entities of its own.
// Package tree runs nothing.
package tree
