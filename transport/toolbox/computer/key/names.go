package key

// codes are the numbers of android.view.KeyEvent by the names that Daytona's daemon uses.
var codes = map[string]int{
	"enter": 66, "tab": 61, "space": 62, "backspace": 67, "delete": 112, "escape": 111, "home": 122, "end": 123,
	"insert": 124, "pageup": 92, "pagedown": 93, "up": 19, "down": 20, "left": 21, "right": 22,
	"ctrl": 113, "lctrl": 113, "rctrl": 114, "alt": 57, "lalt": 57, "ralt": 58, "shift": 59, "lshift": 59, "rshift": 60,
	"cmd": 117, "lcmd": 117, "rcmd": 118, "capslock": 115, "num_lock": 143, "menu": 82,
	"f1": 131, "f2": 132, "f3": 133, "f4": 134, "f5": 135, "f6": 136, "f7": 137, "f8": 138, "f9": 139, "f10": 140, "f11": 141, "f12": 142,
	"num0": 144, "num1": 145, "num2": 146, "num3": 147, "num4": 148, "num5": 149, "num6": 150, "num7": 151, "num8": 152, "num9": 153,
	"num_slash": 154, "num_asterisk": 155, "num_minus": 156, "num_plus": 157, "num_decimal": 158, "num_enter": 160, "num_equal": 161,
	// Android's own
	"back": 4, "android_home": 3, "home_screen": 3, "app_switch": 187, "recents": 187, "power": 26, "wakeup": 224, "sleep": 223,
	"volume_up": 24, "volume_down": 25, "mute": 164, "search": 84, "play_pause": 85, "camera": 27, "call": 5, "end_call": 6,
	"notification": 83, "settings": 176, "assist": 219, "copy": 278, "cut": 277, "paste": 279, "brightness_down": 220, "brightness_up": 221,
}

// symbols are the keys of one character that is neither letter nor digit.
var symbols = map[rune]int{
	',': 55, '.': 56, '`': 68, '-': 69, '=': 70, '[': 71, ']': 72, '\\': 73, ';': 74, '\'': 75, '/': 76,
}

// aliases are other names, after lower case and "_" for "-". The second lot is X11's.
var aliases = map[string]string{
	"return": "enter", "del": "delete", "esc": "escape", "page_up": "pageup", "page_down": "pagedown", "spacebar": "space",
	"control": "ctrl", "option": "alt", "command": "cmd", "meta": "cmd", "super": "cmd", "win": "cmd", "windows": "cmd",
	"left_ctrl": "lctrl", "left_control": "lctrl", "left_alt": "lalt", "left_shift": "lshift", "left_cmd": "lcmd", "left_command": "lcmd",
	"right_ctrl": "rctrl", "right_control": "rctrl", "right_alt": "ralt", "right_shift": "rshift", "right_cmd": "rcmd", "right_command": "rcmd",
	"control_l": "lctrl", "control_r": "rctrl", "alt_l": "lalt", "alt_r": "ralt", "shift_l": "lshift", "shift_r": "rshift",
	"super_l": "lcmd", "super_r": "rcmd", "meta_l": "lcmd", "meta_r": "rcmd", "prior": "pageup", "next": "pagedown",
	"kp_enter": "num_enter", "kp_add": "num_plus", "kp_subtract": "num_minus", "kp_multiply": "num_asterisk", "kp_divide": "num_slash",
	"kp_decimal": "num_decimal", "kp_equal": "num_equal", "caps_lock": "capslock",
}

// families are the modifiers, by the names of the keys that are one.
var families = map[string]string{
	"ctrl": "ctrl", "lctrl": "ctrl", "rctrl": "ctrl", "alt": "alt", "lalt": "alt", "ralt": "alt",
	"shift": "shift", "lshift": "shift", "rshift": "shift", "cmd": "cmd", "lcmd": "cmd", "rcmd": "cmd",
}

// modifiers are the names that a modifier has beside a key.
var modifiers = map[string]string{
	"ctrl": "ctrl", "control": "ctrl", "alt": "alt", "option": "alt", "shift": "shift",
	"cmd": "cmd", "command": "cmd", "meta": "cmd", "super": "cmd", "win": "cmd", "windows": "cmd",
}

// shifted are the characters that a US keyboard has above others.
var shifted = map[rune]string{
	'!': "1", '@': "2", '#': "3", '$': "4", '%': "5", '^': "6", '&': "7", '*': "8", '(': "9", ')': "0", '_': "-", '+': "=",
	'{': "[", '}': "]", '|': `\`, ':': ";", '"': "'", '<': ",", '>': ".", '?': "/", '~': "`",
}

// numpad are names that look like keys of the numeric pad and are not.
var numpad = map[string]string{
	"num*": "num_asterisk", "num+": "num_plus", "num-": "num_minus", "num.": "num_decimal", "num/": "num_slash",
}
