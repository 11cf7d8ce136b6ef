import Glibc
import Reactor
import Wire

/// The input devices of this machine (spec teleop-monitor 8.3): opened as they come, read, never grabbed. `event*`, or, where not one of these
/// may be read, `js*`. Lives on the reactor, whose thread calls back.
public final class InputDevices {
    /// A device, as long as it is there.
    public typealias ID = Int

    /// Who is told; all are called on the reactor's thread.
    public struct Handlers {
        /// A device came. False: it is of no interest, and closed.
        public var onAdded: (_ id: ID, _ path: String, InputDescription, _ isJoystick: Bool) -> Bool
        /// Whole events: `struct input_event` (24 bytes on 64-bit machines), of a joystick `struct js_event` (8 bytes).
        public var onBytes: (_ id: ID, Span<UInt8>) -> Void
        /// Of each for which `onAdded` answered true.
        public var onRemoved: (_ id: ID) -> Void
        /// The folder or the rights to devices in it are missing: once, until it is `nil`, which says that it is well again.
        public var onMissing: (_ what: String?) -> Void

        public init(
            onAdded: @escaping (ID, String, InputDescription, Bool) -> Bool, onBytes: @escaping (ID, Span<UInt8>) -> Void,
            onRemoved: @escaping (ID) -> Void, onMissing: @escaping (String?) -> Void = { _ in }
        ) {
            (self.onAdded, self.onBytes, self.onRemoved, self.onMissing) = (onAdded, onBytes, onRemoved, onMissing)
        }
    }

    /// Devices that are open at once (section 17).
    public static let mostDevices = 64
    /// Devices that there was no room for, since the beginning.
    public private(set) var refused = 0
    /// Devices that are open.
    public var count: Int { devices.count }

    private let folder: String
    private let reactor: Reactor
    private let handlers: Handlers
    private let describe: (_ descriptor: Int32, _ path: String, _ isJoystick: Bool) -> InputDescription?
    private var watch: FolderWatch?
    private var retry: ReactorTimer?
    /// By their names in the folder.
    private var devices: [String: InputDevice] = [:]
    /// Opened, and of no interest: not opened again before they come anew.
    private var ignored: Set<String> = []
    /// There, but not to be read.
    private var denied: Set<String> = []
    private var nextID: ID = 1
    private var missing: String?

    private static let retryEvery = Duration.seconds(10)

    /// `folder` and `describe`: other ones for tests, as files and FIFOs answer no questions about axes.
    public init(
        folder: String = "/dev/input", reactor: Reactor, handlers: Handlers,
        describe: @escaping (_ descriptor: Int32, _ path: String, _ isJoystick: Bool) -> InputDescription? = {
            InputDescription(of: $0, isJoystick: $2)
        }
    ) {
        (self.folder, self.reactor, self.handlers, self.describe) = (folder, reactor, handlers, describe)
        retry = reactor.makeTimer { [unowned self] _ in lookThrough() }
        lookThrough()
    }

    // MARK: What is there

    /// Looks through the folder, and again in ten seconds while it is not there.
    private func lookThrough() {
        if watch == nil { watch = try? FolderWatch(folder, reactor: reactor) { [unowned self] name, change in changed(name, change) } }
        guard let names = names() else {
            watch = nil
            for name in devices.keys { remove(name) }
            (ignored, denied) = ([], [])
            retry?.deadline = MonotonicClock.now() + Self.retryEvery
            return tellMissing()
        }
        for name in names where Self.isEvent(name) { add(name) }
        chooseJoysticks(names)
        // Without a watch (its number is limited) the folder is looked through now and then; so are those that may not be read.
        if watch == nil || !denied.isEmpty { retry?.deadline = MonotonicClock.now() + Self.retryEvery }
        tellMissing()
    }

    private func names() -> [String]? {
        guard let directory = unsafe opendir(folder) else { return nil }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory), names.count < 1024 {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
                unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if Self.isEvent(name) || Self.isJoystick(name) { names.append(name) }
        }
        return names.sorted()
    }

    private static func isEvent(_ name: String) -> Bool { isNumbered(name, "event") }
    private static func isJoystick(_ name: String) -> Bool { isNumbered(name, "js") }
    private static func isNumbered(_ name: String, _ prefix: String) -> Bool {
        let number = name.utf8.dropFirst(prefix.utf8.count)
        return name.hasPrefix(prefix) && !number.isEmpty && number.count <= 6 && number.allSatisfy { (0x30...0x39).contains($0) }
    }

    private func changed(_ name: String, _ change: FolderWatch.Change) {
        switch change {
        case .gone:
            ignored.remove(name)
            denied.remove(name)
            remove(name)
        case .unclear:
            watch = nil
            // Not in the midst of the watch's own event.
            reactor.atEndOfRound { [weak self] in self?.lookThrough() }
            return
        case .appeared, .rightsChanged:
            if change == .appeared { ignored.remove(name) }
            if Self.isEvent(name) { add(name) } else if !Self.isJoystick(name) { return }
        }
        if Self.isEvent(name) || Self.isJoystick(name) { chooseJoysticks(names() ?? []) }
        tellMissing()
    }

    /// Of a gamepad both interfaces tell the same: the older one counts only where no newer one may be read.
    private func chooseJoysticks(_ names: [String]) {
        let hasEvents = !ignored.filter(Self.isEvent).isEmpty || devices.keys.contains(where: Self.isEvent)
        for name in names where Self.isJoystick(name) {
            if hasEvents { remove(name) } else { add(name) }
        }
    }

    // MARK: One device

    private func add(_ name: String) {
        guard devices[name] == nil, !ignored.contains(name) else { return }
        guard devices.count < Self.mostDevices else { return refused += 1 }
        let path = folder + "/" + name
        let descriptor = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            // udev sets the rights a moment after the node is made: IN_ATTRIB tells.
            if errno == EACCES || errno == EPERM { denied.insert(name) }
            return
        }
        denied.remove(name)
        let isJoystick = Self.isJoystick(name)
        guard let description = describe(descriptor, path, isJoystick), handlers.onAdded(nextID, path, description, isJoystick) else {
            close(descriptor)
            ignored.insert(name)
            return
        }
        let id = nextID
        nextID += 1
        devices[name] = InputDevice(
            takingOwnershipOf: descriptor, eventSize: isJoystick ? 8 : InputDevice.eventSize, reactor: reactor,
            onBytes: { [unowned self] bytes in handlers.onBytes(id, bytes) },
            onEnd: { [unowned self] in
                // Not in the midst of its own read.
                reactor.atEndOfRound { [weak self] in self?.remove(name, only: id) }
            })
        ids[name] = id
    }

    private var ids: [String: ID] = [:]

    private func remove(_ name: String, only id: ID? = nil) {
        guard devices[name] != nil, let known = ids[name], id == nil || id == known else { return }
        devices[name] = nil
        ids[name] = nil
        handlers.onRemoved(known)
    }

    // MARK: What is missing

    private func tellMissing() {
        let now = whatIsMissing()
        guard (now == nil) != (missing == nil) else { return }
        missing = now
        handlers.onMissing(now)
    }

    private func whatIsMissing() -> String? {
        if watch == nil, unsafe access(folder, R_OK) != 0 {
            return errno == EACCES ? "no right to read \(folder): add the user to the group input" : "there is no \(folder)"
        }
        guard devices.isEmpty, ignored.isEmpty, !denied.isEmpty else { return nil }
        return "no right to read \(folder)/event*: usermod -aG input <the user>"
    }
}
