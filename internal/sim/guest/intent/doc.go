// Package intent is Android's way of saying what shall be opened.
//
// Words: an [Intent] names an activity, or describes one by an *action*, *categories* and *data* (a
// URI, with or without a type); a *filter* is an activity's offer; [Match] tells whether an offer
// fits. [Parse] reads the arguments that am and "cmd package" take.
//
//	in, rest, err := intent.Parse([]string{"-a", intent.View, "-d", "demo://host"}, nil)
//	fmt.Println(in) // Intent { act=android.intent.action.VIEW dat=demo://host }
//
// The rules are those of Android's Intent and IntentFilter. Extras keep their text, not their type;
// path patterns know "*" and ".*" only.
package intent
