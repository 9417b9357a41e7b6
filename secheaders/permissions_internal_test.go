package secheaders

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/sluice-go/sluice/internal/httpheader"
)

func TestPermissionsAreADictionaryOfLists(t *testing.T) {
	tests := []struct {
		name     string
		p        Permissions
		reportTo string
		want     string
	}{
		{"inherited from nowhere", nil, "", ""},
		{"none", Permissions{}, "security", ""},
		{"denied", Permissions{Deny(Camera, Microphone)}, "", "camera=(), microphone=()"},
		{"the own origin", Permissions{Allow(Fullscreen, Self)}, "", "fullscreen=(self)"},
		{"an origin", Permissions{Allow(Fullscreen, Self, "https://a.example")}, "", `fullscreen=(self "https://a.example")`},
		{"everyone", Permissions{Allow(Fullscreen, "*")}, "", "fullscreen=(*)"},
		{"subdomains, ports and schemes", Permissions{Allow(USB, "https://*.a.example", "http://127.0.0.1:8080", "https://b.example:*", "https:")},
			"", `usb=("https://*.a.example" "http://127.0.0.1:8080" "https://b.example:*" "https:")`},
		{"a feature that is not known", Permissions{Deny(OtherFeature("ch-ua-model")), Allow(OtherFeature("new-one"), Self)},
			"", "ch-ua-model=(), new-one=(self)"},
		{"a name to report to is a token, the only form that Chromium takes", Permissions{Deny(HID, USB), Allow(MIDI, Self)},
			"security", "hid=();report-to=security, usb=();report-to=security, midi=(self);report-to=security"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f faults
			tt.p.faults(&f, "Permissions")
			require.NoError(t, f.err())
			require.Equal(t, tt.want, tt.p.value(tt.reportTo))
		})
	}
}

// Trap d.18: one bad member voids the whole header, without a word in most browsers.
// Trap d.4: nothing that comes out of a source can end a member.
func TestBadPermissionsAreFaults(t *testing.T) {
	tests := []struct {
		name string
		p    Permissions
		want string // of the one fault
	}{
		{"a misspelt feature", Permissions{Deny("camara")}, `"camara" is no feature that is known`},
		{"a feature that is not written as one", Permissions{Deny("Camera")}, `"Camera" is no name of a feature`},
		{"a feature without a name", Permissions{Deny("")}, `"" is no name of a feature`},
		{"another feature in capitals", Permissions{Deny(OtherFeature("NEW"))}, `"NEW" is no name of a feature`},
		{"another feature that begins with a digit", Permissions{Deny(OtherFeature("3d"))}, `"3d" is no name of a feature`},
		{"another feature with more than a name", Permissions{Deny(OtherFeature("a=(), b"))}, `"a=(), b" is no name of a feature`},
		{"another feature with a line break", Permissions{Deny(OtherFeature("a\n"))}, `"a\n" is no name of a feature`},
		{"another feature without a name", Permissions{Deny(OtherFeature(""))}, `"" is no name of a feature`},
		{"a feature twice", Permissions{Deny(Camera), Allow(Camera, Self)}, "camera occurs twice"},
		{"a feature twice in one", Permissions{Deny(Camera, Camera)}, "camera occurs twice"},
		{"a feature twice, once as another", Permissions{Deny(Camera, OtherFeature("camera"))}, "camera occurs twice"},
		{"a permission without features", Permissions{Deny()}, "a permission names no feature"},
		{"a zero permission", Permissions{{}}, "a permission names no feature"},
		{"nobody", Permissions{Allow(Camera)}, "camera: it is allowed to nobody; use Deny"},
		{"none", Permissions{Allow(Camera, None)}, "camera: use Deny instead of 'none'"},
		{"self without quotes", Permissions{Allow(Camera, "self")}, `the keyword is written with quotes: "'self'"`},
		{"a keyword of policies", Permissions{Allow(Camera, UnsafeInline)}, "camera: 'unsafe-inline' has no meaning here"},
		{"the keyword of iframes", Permissions{Allow(Camera, "'src'")}, "camera: 'src' is no keyword"},
		{"everyone and others", Permissions{Allow(Camera, Self, "*")}, "camera: * is everyone"},
		{"an origin twice", Permissions{Allow(Camera, Self, "https://a.example", "https://a.example")}, `camera: "https://a.example" occurs twice`},
		{"a host without a scheme", Permissions{Allow(Camera, "a.example")}, "has no scheme"},
		{"a path", Permissions{Allow(Camera, "https://a.example/app")}, "has a path"},
		{"a slash at the end", Permissions{Allow(Camera, "https://a.example/")}, "has a path"},
		{"an address of IPv6", Permissions{Allow(Camera, "http://[::1]:80")}, "IPv6"},
		{"an underscore in a host", Permissions{Allow(Camera, "https://a_b.example")}, "neither a host"},
		{"a user", Permissions{Allow(Camera, "https://u@a.example")}, "neither a host"},
		{"an opaque origin", Permissions{Allow(Camera, "null")}, "has no scheme"},
		{"double quotes", Permissions{Allow(Camera, `https://a.example"`)}, "neither a host"},
		{"the end of a list", Permissions{Allow(Camera, "https://a.example) usb=(*")}, "ends a value"},
		{"a line break", Permissions{Allow(Camera, "https://a.example\r\nX: y")}, "ends a value"},
		{"another script", Permissions{Allow(Camera, "https://ü.example")}, "ends a value"},
		{"an empty origin", Permissions{Allow(Camera, "")}, "empty value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f faults
			tt.p.faults(&f, "Permissions")
			require.Len(t, f.errs, 1)
			require.ErrorContains(t, f.err(), "secheaders: Permissions: ")
			require.ErrorContains(t, f.err(), tt.want)
		})
	}
	var f faults
	Permissions{Deny("camara", "window-placement"), Allow(USB, "self", "a.example")}.faults(&f, "Permissions")
	require.Len(t, f.errs, 4, "all faults at once")
}

// Trap d.19: retired names restrict nothing, and Chromium complains about them.
func TestRetiredFeaturesAreFaultsWithAReason(t *testing.T) {
	for name, reason := range retired {
		var f faults
		Permissions{Deny(name)}.faults(&f, "Permissions")
		require.EqualError(t, f.err(), "secheaders: Permissions: "+string(name)+" is retired: "+reason)
		require.False(t, features[name], "%s is both known and retired", name)
	}
}

// Trap d.19: the names of the sheet, which are those that Chromium 156 has on Linux
// and those of the registry.
func TestKnownFeatures(t *testing.T) {
	names := strings.Fields(`accelerometer aria-notify autoplay browsing-topics camera captured-surface-control
		clipboard-read clipboard-write compute-pressure cross-origin-isolated deferred-fetch deferred-fetch-minimal
		digital-credentials-create digital-credentials-get display-capture encrypted-media fullscreen gamepad geolocation
		gyroscope hid identity-credentials-get idle-detection keyboard-map language-detector language-model local-fonts
		local-network local-network-access loopback-network magnetometer media-playback-while-not-visible microphone midi
		on-device-speech-recognition otp-credentials payment picture-in-picture private-state-token-issuance
		private-state-token-redemption publickey-credentials-create publickey-credentials-get screen-wake-lock serial
		speaker-selection storage-access summarizer sync-xhr translator unload usb window-management xr-spatial-tracking
		attribution-reporting bluetooth direct-sockets tools web-share`)
	var known []string
	for f := range features {
		known = append(known, f.name())
		require.True(t, isFeatureName(f.name()), f)
		require.Empty(t, f.fault())
	}
	require.ElementsMatch(t, names, known)
}

func TestDefaultPermissions(t *testing.T) {
	var f faults
	p := defaultPermissions()
	p.faults(&f, "Permissions")
	require.NoError(t, f.err())
	value := p.value("")
	for _, denied := range []Feature{Camera, Microphone, Geolocation, Payment, USB, BrowsingTopics, ClipboardRead} {
		require.Contains(t, ", "+value, ", "+denied.name()+"=()")
	}
	// What pages, players and logins use; what a browser would complain about.
	for _, left := range []Feature{Autoplay, ClipboardWrite, EncryptedMedia, Fullscreen, IdentityCredentialsGet, PictureInPicture,
		PublicKeyCredentialsCreate, PublicKeyCredentialsGet, StorageAccess, SyncXHR, Unload, WebShare, Bluetooth, Tools,
		AttributionReporting, DirectSockets, LocalNetworkAccess} {
		require.NotContains(t, ", "+value, ", "+left.name()+"=")
	}
	require.Less(t, len(value), 700)
}

func TestPermissionsOfAnOverrideReplaceThoseOfTheSameFeature(t *testing.T) {
	base := Permissions{Deny(Camera, Microphone, USB), Allow(Fullscreen, Self)}
	before := base.value("")
	tests := []struct {
		name string
		more Permissions
		want string
	}{
		{"nil inherits", nil, before},
		{"an empty one is none", Permissions{}, ""},
		{"one of many", Permissions{Allow(Microphone, Self)}, "camera=(), usb=(), fullscreen=(self), microphone=(self)"},
		{"all of one", Permissions{Deny(Fullscreen)}, "camera=(), microphone=(), usb=(), fullscreen=()"},
		{"more", Permissions{Deny(HID)}, before + ", hid=()"},
		{"a name that is given as another", Permissions{Allow(OtherFeature("camera"), "*")}, "microphone=(), usb=(), fullscreen=(self), camera=(*)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, base.with(tt.more).value(""))
			require.Equal(t, before, base.value(""), "the base stays as it is")
		})
	}
	var f faults
	base.with(Permissions{Deny(HID), Deny(HID)}).faults(&f, "Permissions")
	require.ErrorContains(t, f.err(), "hid occurs twice")
	require.Equal(t, "hid=()", Permissions(nil).with(Permissions{Deny(HID)}).value(""))
	require.Nil(t, Permissions(nil).with(nil))
}

// What is made keeps nothing of its caller.
func TestPermissionsCopyTheirLists(t *testing.T) {
	names, who := []Feature{Camera}, []Source{Self}
	deny, allow := Deny(names...), Allow(USB, who...)
	names[0], who[0] = Microphone, "*"
	require.Equal(t, "camera=(), usb=(self)", Permissions{deny, allow}.value(""))
}

// The model of an override is a map: what it names counts, and else what was there.
func TestPermissionsMergeAsMapsDo(t *testing.T) {
	all := slices.Sorted(maps.Keys(features))[:8]
	random := rand.New(rand.NewPCG(1, 2))
	draw := func() (p Permissions, model map[string]string) {
		model = map[string]string{}
		rest := slices.Clone(all)
		random.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
		for len(rest) > 4 {
			n := 1 + random.IntN(2)
			if random.IntN(2) == 0 {
				p = append(p, Deny(rest[:n]...))
				for _, f := range rest[:n] {
					model[f.name()] = "()"
				}
			} else {
				n = 1
				p = append(p, Allow(rest[0], Self))
				model[rest[0].name()] = "(self)"
			}
			rest = rest[n:]
		}
		return p, model
	}
	for range 500 {
		base, want := draw()
		more, override := draw()
		maps.Copy(want, override)
		members, err := httpheader.ParseSFDictionary(base.with(more).value(""))
		require.NoError(t, err)
		got := map[string]string{}
		for _, m := range members {
			got[m.Key] = m.Value
		}
		require.Equal(t, want, got)
		require.Len(t, members, len(want))
	}
}

// FuzzPermissions: what has no fault is a dictionary with just the members that were
// asked for, and what has one could not.
func FuzzPermissions(f *testing.F) {
	for _, s := range [][3]string{{"camera", "'self'", "https://a.example"}, {"a", "*", ""}, {"a=(), b", "https://a.example\" *", "x:"},
		{"A", "'none'", "https://a.example/"}, {"a", "https://a.example:*", "https://*.b.example"}} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, name, a, b string) {
		p := Permissions{Allow(OtherFeature(name), Source(a), Source(b)), Deny("usb")}
		var fs faults
		p.faults(&fs, "Permissions")
		if fs.err() != nil {
			return
		}
		value := p.value("security")
		require.NotRegexp(t, `[^\x20-\x7e]`, value)
		require.NotContains(t, value, "'self'")
		members, err := httpheader.ParseSFDictionary(value)
		require.NoError(t, err, value)
		require.Len(t, members, 2, value)
		require.Equal(t, name, members[0].Key)
		require.Equal(t, "usb", members[1].Key)
		spelt := func(s string) string {
			if s == string(Self) {
				return "self"
			}
			return `"` + s + `"`
		}
		require.Equal(t, "("+spelt(a)+" "+spelt(b)+")", members[0].Value)
		for _, m := range members {
			require.Equal(t, []httpheader.SFDictionaryParam{{Key: "report-to", Value: "security"}}, m.Params)
		}
	})
}
