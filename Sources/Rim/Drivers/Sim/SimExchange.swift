import Reactor
import Robot
import Synchronization
import Wire

/// What the threads of one simulated robot tell each other: values that are replaced, never queued.
final class SimExchange: Sendable {
    let isRunning = Atomic<Bool>(true)
    let orders = Lock(SimOrders())
    let telemetry: Lock<RobotTelemetry>
    let scene = Lock(SimScene())
    let noise = Lock(SimNoise())
    let counters = SimCounters()

    init(_ telemetry: RobotTelemetry) { self.telemetry = Lock(telemetry) }
}

/// What the robot is told: by anybody, for the control loop.
struct SimOrders: Sendable {
    private(set) var setpoint: Setpoint?
    /// Setpoints up to this number are not taken any more.
    private(set) var fence: UInt64 = 0
    private(set) var actions: [RobotAction] = []
    private var treatDue = Instant.zero

    static let mostActions = 16
    private static let treatPause = Duration.milliseconds(800)

    mutating func apply(_ new: Setpoint) {
        guard new.number > fence else { return }
        fence = new.number
        // Where the loop has not seen the one before, its camera must not be lost with it.
        let camera = new.camera ?? setpoint?.camera
        setpoint = new
        setpoint?.camera = camera
    }

    mutating func stop(after number: UInt64) {
        fence = max(fence, number)
        setpoint = nil
        actions = []
    }

    /// False: a treat is still falling.
    mutating func mayDrop(at now: Instant) -> Bool {
        guard now >= treatDue else { return false }
        treatDue = now + Self.treatPause
        return true
    }

    /// False: more than anybody does at a time is waiting.
    mutating func add(_ action: RobotAction) -> Bool {
        guard actions.count < Self.mostActions else { return false }
        actions.append(action)
        return true
    }

    mutating func takeActions() -> [RobotAction] {
        guard !actions.isEmpty else { return [] }
        defer { actions = [] }
        return actions
    }
}

/// The moment that the cameras draw.
struct SimScene: Sendable {
    var time = Instant.zero
    var positions: [Double] = []
    var mocapPlaces: [Double] = []
    var mocapTurns: [Double] = []
    var light: SimColour = .start
}

/// What is to be heard.
struct SimNoise: Sendable {
    /// m/s of the wheels' rims, both added.
    var wheels = 0.0
    /// Rises with every bark.
    var barks = 0
    /// m from the microphone to the dog.
    var dogDistance = 10.0
    /// Rises with every sound that the robot makes.
    var sounds = 0
    var sound: SimSound.Kind = .beep
}

/// A colour of the light.
struct SimColour: Sendable, Hashable {
    var red: UInt8
    var green: UInt8
    var blue: UInt8

    static let start = SimColour(red: 0x20, green: 0xA0, blue: 0xFF)

    init(red: UInt8, green: UInt8, blue: UInt8) { (self.red, self.green, self.blue) = (red, green, blue) }

    /// Nil: not of the form `#rrggbb`.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count == 7, bytes[0] == UInt8(ascii: "#") else { return nil }
        var value = 0
        for byte in bytes.dropFirst() {
            guard let digit = Character(UnicodeScalar(byte)).hexDigitValue else { return nil }
            value = value << 4 | digit
        }
        self.init(red: UInt8(value >> 16), green: UInt8(value >> 8 & 255), blue: UInt8(value & 255))
    }

    var text: String {
        let digits = Array("0123456789abcdef")
        return "#" + [red, green, blue].map { "\(digits[Int($0 >> 4)])\(digits[Int($0 & 15)])" }.joined()
    }
}
