package secheaders

import "fmt"

// Feature is a feature of browsers that a [Permission] is about.
type Feature string

// The features that browsers know. Chromium complains in its console about names that
// it does not know on the system it runs on; those are marked.
const (
	Accelerometer                Feature = "accelerometer"
	AriaNotify                   Feature = "aria-notify"
	AttributionReporting         Feature = "attribution-reporting" // unknown to Chromium 156
	Autoplay                     Feature = "autoplay"
	Bluetooth                    Feature = "bluetooth" // unknown to Chromium on Linux
	BrowsingTopics               Feature = "browsing-topics"
	Camera                       Feature = "camera"
	CapturedSurfaceControl       Feature = "captured-surface-control" // scrolls and zooms a tab that is captured
	ClipboardRead                Feature = "clipboard-read"           // without a paste by the user
	ClipboardWrite               Feature = "clipboard-write"
	ComputePressure              Feature = "compute-pressure" // how busy the processor is
	CrossOriginIsolated          Feature = "cross-origin-isolated"
	DeferredFetch                Feature = "deferred-fetch"         // requests after the page is left
	DeferredFetchMinimal         Feature = "deferred-fetch-minimal" // the same, in frames
	DigitalCredentialsCreate     Feature = "digital-credentials-create"
	DigitalCredentialsGet        Feature = "digital-credentials-get"
	DirectSockets                Feature = "direct-sockets" // for isolated web apps only
	DisplayCapture               Feature = "display-capture"
	EncryptedMedia               Feature = "encrypted-media"
	Fullscreen                   Feature = "fullscreen"
	Gamepad                      Feature = "gamepad"
	Geolocation                  Feature = "geolocation"
	Gyroscope                    Feature = "gyroscope"
	HID                          Feature = "hid" // game controllers, security keys and the like
	IdentityCredentialsGet       Feature = "identity-credentials-get"
	IdleDetection                Feature = "idle-detection"
	KeyboardMap                  Feature = "keyboard-map" // which layout the keyboard has
	LanguageDetector             Feature = "language-detector"
	LanguageModel                Feature = "language-model"
	LocalFonts                   Feature = "local-fonts"
	LocalNetwork                 Feature = "local-network"
	LocalNetworkAccess           Feature = "local-network-access" // stands for LocalNetwork and LoopbackNetwork
	LoopbackNetwork              Feature = "loopback-network"
	Magnetometer                 Feature = "magnetometer"
	MediaPlaybackWhileNotVisible Feature = "media-playback-while-not-visible"
	Microphone                   Feature = "microphone"
	MIDI                         Feature = "midi"
	OnDeviceSpeechRecognition    Feature = "on-device-speech-recognition"
	OTPCredentials               Feature = "otp-credentials" // one-time passwords out of text messages
	Payment                      Feature = "payment"
	PictureInPicture             Feature = "picture-in-picture"
	PrivateStateTokenIssuance    Feature = "private-state-token-issuance"
	PrivateStateTokenRedemption  Feature = "private-state-token-redemption"
	PublicKeyCredentialsCreate   Feature = "publickey-credentials-create"
	PublicKeyCredentialsGet      Feature = "publickey-credentials-get"
	ScreenWakeLock               Feature = "screen-wake-lock"
	Serial                       Feature = "serial"
	SpeakerSelection             Feature = "speaker-selection"
	StorageAccess                Feature = "storage-access"
	Summarizer                   Feature = "summarizer"
	SyncXHR                      Feature = "sync-xhr"
	Tools                        Feature = "tools" // offered to agents; in a trial in Chromium 156
	Translator                   Feature = "translator"
	Unload                       Feature = "unload" // handlers of the event
	USB                          Feature = "usb"
	WebShare                     Feature = "web-share" // unknown to Chromium on Linux
	WindowManagement             Feature = "window-management"
	XRSpatialTracking            Feature = "xr-spatial-tracking"
)

// features are the names above.
var features = nameSet(
	Accelerometer, AriaNotify, AttributionReporting, Autoplay, Bluetooth, BrowsingTopics, Camera, CapturedSurfaceControl,
	ClipboardRead, ClipboardWrite, ComputePressure, CrossOriginIsolated, DeferredFetch, DeferredFetchMinimal,
	DigitalCredentialsCreate, DigitalCredentialsGet, DirectSockets, DisplayCapture, EncryptedMedia, Fullscreen, Gamepad,
	Geolocation, Gyroscope, HID, IdentityCredentialsGet, IdleDetection, KeyboardMap, LanguageDetector, LanguageModel,
	LocalFonts, LocalNetwork, LocalNetworkAccess, LoopbackNetwork, Magnetometer, MediaPlaybackWhileNotVisible, Microphone,
	MIDI, OnDeviceSpeechRecognition, OTPCredentials, Payment, PictureInPicture, PrivateStateTokenIssuance,
	PrivateStateTokenRedemption, PublicKeyCredentialsCreate, PublicKeyCredentialsGet, ScreenWakeLock, Serial, SpeakerSelection,
	StorageAccess, Summarizer, SyncXHR, Tools, Translator, Unload, USB, WebShare, WindowManagement, XRSpatialTracking,
)

func nameSet(names ...Feature) map[Feature]bool {
	set := make(map[Feature]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// retired are names that restrict nothing any more, and what took their place.
var retired = map[Feature]string{
	"conversion-measurement": "it is named attribution-reporting",
	"document-domain":        "setting document.domain has no effect in an origin-keyed agent cluster; use Origin-Agent-Cluster",
	"interest-cohort":        "browsing-topics took its place",
	"publickey-credentials":  "it is named publickey-credentials-get",
	"speaker":                "speaker-selection took its place",
	"trust-token-redemption": "it is named private-state-token-redemption",
	"vr":                     "it is named xr-spatial-tracking",
	"wake-lock":              "it is named screen-wake-lock",
	"window-placement":       "it is named window-management",
}

// otherMark is in front of names from [OtherFeature]. No name can have it.
const otherMark = "?"

// OtherFeature is one that this version does not know, a client hint among them. Only
// its characters are checked: a browser ignores a name that it does not know, and so
// a mistyped one restricts nothing.
func OtherFeature(name string) Feature { return Feature(otherMark + name) }

// name is f as it is on the wire.
func (f Feature) name() string {
	if f != "" && f[:1] == otherMark {
		return string(f[1:])
	}
	return string(f)
}

// fault says what is wrong with f, or "" if nothing is.
func (f Feature) fault() string {
	name := f.name()
	switch reason := retired[f]; {
	case reason != "":
		return fmt.Sprintf("%s is retired: %s", name, reason)
	case features[f]:
		return ""
	case !isFeatureName(name):
		return fmt.Sprintf("%q is no name of a feature: they have lower-case letters, digits and hyphens", name)
	case name == string(f):
		return fmt.Sprintf("%q is no feature that is known, and browsers ignore such names; OtherFeature takes any", name)
	}
	return ""
}

// isFeatureName follows feature-identifier (Permissions Policy §5.1) within what a key
// of a dictionary may be (RFC 9651 §3.1.2): one bad key voids the whole header.
func isFeatureName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (i == 0 || !isDigit(c) && c != '-') {
			return false
		}
	}
	return s != ""
}

// defaultPermissions deny what no ordinary page asks for, so that neither a script
// that got into one nor a frame in it can: sensors, devices, capture and location;
// money and credentials; what the user has on the clipboard; what tells one visitor
// from another or follows them. A page that needs one of them allows it.
//
// What ordinary pages and the players and logins in them use stays as browsers have
// it: full screen, picture-in-picture, playing and encrypted media, copying, sharing,
// passkeys, federated logins and storage access. So do requests to local networks,
// which connect-src governs already, and names that some browser would complain about.
func defaultPermissions() Permissions {
	return Permissions{Deny(
		Accelerometer, BrowsingTopics, Camera, CapturedSurfaceControl, ClipboardRead, ComputePressure,
		DigitalCredentialsCreate, DigitalCredentialsGet, DisplayCapture, Geolocation, Gyroscope, HID, IdleDetection,
		KeyboardMap, LocalFonts, Magnetometer, Microphone, MIDI, OnDeviceSpeechRecognition, Payment,
		PrivateStateTokenIssuance, PrivateStateTokenRedemption, Serial, SpeakerSelection, USB, WindowManagement,
		XRSpatialTracking,
	)}
}
