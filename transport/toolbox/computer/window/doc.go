// Package window reads what Android's wm and dumpsys commands say of displays and windows.
//
// The forms are those of Android 9 to 16, whose words differ; what is not understood is left out. It is
// pure: it runs nothing.
//
//	width, height, ok := window.Size(output of "wm size; dumpsys window displays")
//	windows := window.List(output of "dumpsys window windows")
package window
