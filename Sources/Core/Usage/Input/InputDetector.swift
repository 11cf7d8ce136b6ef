import Wire

/// Teleoperation by a gamepad, joystick or keyboard at this machine (section 8.3): told the devices, their bytes and the time.
public struct InputDetector: Sendable {
    /// What a device says it is.
    public struct Description: Sendable, Equatable {
        /// `/dev/input/event3`.
        public var path: String
        /// For people.
        public var name: String
        /// Absolute axes by their codes, with the range of each.
        public var axes: [UInt16: ClosedRange<Int32>]
        /// Codes of keys and buttons.
        public var keys: Set<UInt16>
        /// `/dev/input/js*`; its events number axes and buttons from 0.
        public var isJS: Bool

        public init(path: String, name: String = "", axes: [UInt16: ClosedRange<Int32>] = [:], keys: Set<UInt16> = [], isJS: Bool = false) {
            (self.path, self.name, self.axes, self.keys, self.isJS) = (path, name, axes, keys, isJS)
        }
    }

    /// What a device is used for, by what it can tell.
    public enum Kind: Sendable, Equatable { case gamepad, keyboard, other }

    /// Devices that are read (section 17).
    public static let deviceLimit = 64
    /// How often confidence is looked at again without an event.
    private static let interval = Duration.milliseconds(500)
    /// W A S D Q E R F, arrows, space and shift (linux/input-event-codes.h).
    static let countedKeys: Set<UInt16> = [17, 30, 31, 32, 16, 18, 19, 33, 103, 105, 106, 108, 57, 42, 54]

    private var devices: [InputDevice] = []
    private var changes = Ring<ConnectionChange>(limit: 256)
    private var dropped = Ring<Int>(limit: deviceLimit)
    private var nextCheck: Instant?
    private var told = (confidence: 0, active: 0)
    /// Devices that gave way to newer ones at the limit.
    public private(set) var displaced = 0
    /// The score or the number of active sessions may differ from what `evidence` said last.
    public private(set) var hasNews = false

    public init() {}

    /// A gamepad or joystick has the axes X and Y and a button of one (`BTN_JOYSTICK` 0x120 … 0x13F); a keyboard has W, A, S and D.
    public static func kind(of description: Description) -> Kind {
        if description.axes[0] != nil, description.axes[1] != nil, description.keys.contains(where: { (0x120...0x13F).contains($0) }) {
            return .gamepad
        }
        // The kernel's joystick interface is only there for joysticks; which axes they are it may not say.
        if description.isJS { return description.axes.isEmpty ? .gamepad : .other }
        return description.keys.isSuperset(of: [17, 30, 31, 32]) ? .keyboard : .other
    }

    // MARK: devices

    /// A device is there; `id` is the rim's. False: it is of no interest and need not be read.
    public mutating func added(_ id: Int, _ description: Description, at now: Instant) -> Bool {
        let kind = Self.kind(of: description)
        guard kind != .other else { return false }
        removed(id, at: now)
        if devices.count == Self.deviceLimit, let oldest = devices.indices.min(by: { devices[$0].lastEvent < devices[$1].lastEvent }) {
            displaced += 1
            _ = dropped.append(devices[oldest].id)
            remove(oldest)
        }
        devices.append(InputDevice(id, description, kind: kind, at: now))
        return true
    }

    /// The device is gone, or cannot be read any more.
    public mutating func removed(_ id: Int, at now: Instant) {
        if let index = devices.firstIndex(where: { $0.id == id }) { remove(index) }
        judge(at: now)
    }

    /// A device that gave way and need not be read any more.
    public mutating func nextDropped() -> Int? { dropped.popFirst() }

    private mutating func remove(_ index: Int) {
        if devices[index].isActive { announce(devices[index], isEstablished: false) }
        devices.remove(at: index)
    }

    /// Bytes of a device, cut anywhere.
    public mutating func received(_ id: Int, _ bytes: Span<UInt8>, at now: Instant) {
        guard let index = devices.firstIndex(where: { $0.id == id }) else { return }
        if devices[index].expire(at: now) { announce(devices[index], isEstablished: false) }
        let wasActive = devices[index].isActive
        devices[index].received(bytes, at: now)
        guard devices[index].isActive else { return }
        if !wasActive { announce(devices[index], isEstablished: true) }
        nextCheck = earlier(nextCheck, now + Self.interval)
        judge(at: now)
    }

    private mutating func announce(_ device: InputDevice, isEstablished: Bool) {
        if changes.isFull { _ = changes.popFirst() }
        _ = changes.append(
            ConnectionChange(kind: .input, isEstablished: isEstablished, local: device.path, remote: "", operatorName: ""))
    }

    // MARK: time

    /// When `advance` has something to do.
    public var deadline: Instant? { nextCheck }

    /// Ends sessions whose two seconds are over, and looks at the others again.
    public mutating func advance(to now: Instant) {
        guard let nextCheck, nextCheck <= now else { return }
        check(at: now)
    }

    private mutating func check(at now: Instant) {
        nextCheck = nil
        for index in devices.indices {
            if devices[index].expire(at: now) { announce(devices[index], isEstablished: false) }
            if let end = devices[index].deadline { nextCheck = earlier(nextCheck, min(end, now + Self.interval)) }
        }
        judge(at: now)
    }

    private mutating func judge(at now: Instant) {
        let current = current(at: now)
        if current.active != told.active || max(current.confidence, 50) != max(told.confidence, 50) { hasNews = true }
    }

    /// The best confidence, and how many sessions there are.
    private func current(at now: Instant) -> (confidence: Int, active: Int) {
        var confidence = 0, active = 0
        for device in devices where device.isActive {
            confidence = max(confidence, device.confidence(at: now))
            active += 1
        }
        return (confidence, active)
    }

    // MARK: what is known

    /// The best session's confidence as score where it is over 50, and how many sessions there are. Clears `hasNews`.
    public mutating func evidence(at now: Instant) -> Evidence {
        check(at: now)
        told = current(at: now)
        hasNews = false
        guard told.confidence > 50 else { return Evidence(score: nil, reason: "", operators: [], connections: told.active) }
        return Evidence(
            score: Double(told.confidence), reason: "Input: \(told.confidence)% confidence", operators: [], connections: told.active)
    }

    /// A session that has begun or ended: the device's path is its local end; the oldest of more than 256 are lost.
    public mutating func nextChange() -> ConnectionChange? { changes.popFirst() }
}
