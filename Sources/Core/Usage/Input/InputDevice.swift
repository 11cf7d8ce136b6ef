import Wire

/// One input device and its session: the time in which somebody uses it (section 8.3). Of a keyboard it keeps counts, never a key.
struct InputDevice: Sendable {
    let id: Int
    let path: String
    let kind: InputDetector.Kind
    private let axes: [UInt16: ClosedRange<Int32>]
    private let isJS: Bool
    private var reader: EvdevReader
    /// Where each axis was when its last event counted, and when its last movement did.
    private var positions: [UInt16: (seen: Int32, moved: Int32)] = [:]
    /// Events were lost: the rest up to the next report is of no use (`SYN_DROPPED`).
    private var isResynchronising = false

    private var events = RecentEvents(span: InputDevice.activity)
    private var movements = 0
    private var usesAxes = false
    private var usesButtons = false
    private(set) var isActive = false
    private(set) var lastEvent: Instant

    /// How long a session lasts after its last counted event, and what its rate is taken over.
    static let activity = Duration.seconds(2)
    /// Of a joystick's axes, whatever the device.
    private static let joystickRange: ClosedRange<Int32> = -32_767...32_767
    private static let axisLimit = 64

    init(_ id: Int, _ description: InputDetector.Description, kind: InputDetector.Kind, at now: Instant) {
        (self.id, self.kind, path, isJS, lastEvent) = (id, kind, description.path, description.isJS, now)
        axes = description.axes
        reader = EvdevReader(isJS: description.isJS)
    }

    var deadline: Instant? { isActive ? lastEvent + Self.activity : nil }

    mutating func received(_ bytes: Span<UInt8>, at now: Instant) {
        var offset = 0
        while let record = reader.next(bytes, &offset) { isJS ? takeJoystick(record, at: now) : take(record, at: now) }
    }

    /// The session ends when its time is over. True: it did.
    mutating func expire(at now: Instant) -> Bool {
        guard isActive, now - lastEvent >= Self.activity else { return false }
        (isActive, movements, usesAxes, usesButtons) = (false, 0, false, false)
        events = RecentEvents(span: Self.activity)
        return true
    }

    /// 0…100: how much this looks like somebody who drives; 0 without a session.
    func confidence(at now: Instant) -> Int {
        guard isActive else { return 0 }
        var confidence = 20
        if kind == .gamepad { confidence += 30 }
        if movements > 10 { confidence += 20 }
        if Double(events.count(at: now)) / Self.activity.seconds > 5 { confidence += 15 }
        if usesAxes, usesButtons { confidence += 15 }
        return min(confidence, 100)
    }

    // MARK: events

    private mutating func take(_ record: EvdevReader.Record, at now: Instant) {
        switch record.type {
        case 0 where record.code == 3: isResynchronising = true
        case 0 where record.code == 0: isResynchronising = false
        case _ where isResynchronising: break
        case 1: takeKey(record, at: now)
        case 3 where kind == .gamepad: axes[record.code].map { takeAxis(record, range: $0, at: now) }
        default: break
        }
    }

    private mutating func takeJoystick(_ record: EvdevReader.Record, at now: Instant) {
        switch record.type {
        case 1: takeKey(record, at: now)
        case 2: takeAxis(record, range: Self.joystickRange, at: now)
        // With 0x80 it only tells where everything stands at the start.
        case 0x82: setPosition(record)
        default: break
        }
    }

    /// A key or button: pressed 1, let go 0, repeated by itself 2. A key that is held keeps the session, but is no more than one event.
    private mutating func takeKey(_ record: EvdevReader.Record, at now: Instant) {
        guard kind == .gamepad || InputDetector.countedKeys.contains(record.code) else { return }
        guard record.value == 1 else { return count(record.value == 2 ? 0 : 1, at: now) }
        movements &+= 1
        use(.button, at: now)
    }

    /// A stick at rest trembles: less than a hundredth of the range is nobody's hand. A movement is a twentieth, in one event or in several.
    private mutating func takeAxis(_ record: EvdevReader.Record, range: ClosedRange<Int32>, at now: Instant) {
        guard let last = positions[record.code] else {
            setPosition(record)
            use(.axis, at: now)
            return
        }
        let width = Int64(range.upperBound) - Int64(range.lowerBound)
        func distance(_ from: Int32) -> Int64 { abs(Int64(record.value) - Int64(from)) }
        guard width > 0, distance(last.seen) * 100 >= width else { return }
        use(.axis, at: now)
        let isMovement = distance(last.moved) * 20 >= width
        if isMovement { movements &+= 1 }
        positions[record.code] = (record.value, isMovement ? record.value : last.moved)
    }

    private mutating func setPosition(_ record: EvdevReader.Record) {
        if positions.count < Self.axisLimit || positions[record.code] != nil { positions[record.code] = (record.value, record.value) }
    }

    private enum Part { case axis, button }

    private mutating func use(_ part: Part, at now: Instant) {
        count(1, at: now)
        if part == .axis { usesAxes = true } else { usesButtons = true }
    }

    private mutating func count(_ number: Int, at now: Instant) {
        (isActive, lastEvent) = (true, now)
        events.add(number, at: now)
    }
}
