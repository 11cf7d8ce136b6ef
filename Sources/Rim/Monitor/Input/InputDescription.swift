internal import CLinux
import Glibc
import Wire

/// What an input device says that it is (spec teleop-monitor 8.3). Codes are those of linux/input-event-codes.h.
public struct InputDescription: Sendable, Equatable {
    /// As the device or its driver calls itself; may be empty.
    public var name: String
    /// Absolute axes by their ABS_ code, and what they may say.
    public var axes: [UInt16: ClosedRange<Int32>]
    /// Keys and buttons: KEY_ and BTN_ codes.
    public var keys: Set<UInt16>

    public init(name: String, axes: [UInt16: ClosedRange<Int32>] = [:], keys: Set<UInt16> = []) {
        (self.name, self.axes, self.keys) = (name, axes, keys)
    }

    /// Asks the kernel (EVIOCG…, of js* JSIOCG…); nil: it is no input device.
    public init?(of descriptor: Int32, isJoystick: Bool) {
        guard let found = isJoystick ? Self.joystick(descriptor) : Self.event(descriptor) else { return nil }
        self = found
    }

    // MARK: event*

    private static let keyEvents: Int32 = 1, absoluteEvents: Int32 = 3
    private static let greatestKey = 0x2FF, greatestAxis = 0x3F

    private static func event(_ descriptor: Int32) -> InputDescription? {
        guard let keys = bits(descriptor, keyEvents, greatestKey), let axes = bits(descriptor, absoluteEvents, greatestAxis) else {
            return nil
        }
        var description = InputDescription(name: unsafe text { unsafe waldo_input_name(descriptor, $0, $1) }, keys: Set(keys))
        for axis in axes {
            var (least, greatest): (Int32, Int32) = (0, 0)
            guard unsafe waldo_input_axis(descriptor, Int32(axis), &least, &greatest) == 0, least <= greatest else { continue }
            description.axes[axis] = least...greatest
        }
        return description
    }

    /// The numbers of the bits that are set.
    private static func bits(_ descriptor: Int32, _ type: Int32, _ greatest: Int) -> [UInt16]? {
        var bytes = [UInt8](repeating: 0, count: greatest / 8 + 1)
        guard unsafe waldo_input_bits(descriptor, type, &bytes, bytes.count) >= 0 else { return nil }
        // The kernel's words are as long as a register, in the host's order: on a little-endian host their bytes lie in the bits' order.
        return (0...greatest).filter { bytes[byte(of: $0)] & 1 << ($0 % 8) != 0 }.map { UInt16($0) }
    }

    private static func byte(of bit: Int) -> Int {
        let (word, inWord) = (bit / UInt.bitWidth, bit % UInt.bitWidth / 8)
        let size = UInt.bitWidth / 8
        return word * size + (UInt(1).littleEndian == 1 ? inWord : size - 1 - inWord)
    }

    // MARK: js*

    private static func joystick(_ descriptor: Int32) -> InputDescription? {
        var axes = [UInt8](repeating: 0, count: 64), buttons = [UInt16](repeating: 0, count: 512)
        let axisCount = unsafe waldo_joystick_axes(descriptor, &axes, axes.count)
        let buttonCount = unsafe waldo_joystick_buttons(descriptor, &buttons, buttons.count)
        guard axisCount >= 0, buttonCount >= 0 else { return nil }
        var description = InputDescription(
            name: unsafe text { unsafe waldo_joystick_name(descriptor, $0, $1) }, keys: Set(buttons.prefix(Int(buttonCount))))
        // The older interface scales all to this.
        for axis in axes.prefix(Int(axisCount)) { description.axes[UInt16(axis)] = -32_767...32_767 }
        return description
    }

    private static func text(_ ask: (UnsafeMutablePointer<CChar>, Int) -> Int32) -> String {
        var bytes = [CChar](repeating: 0, count: 256)
        guard unsafe ask(&bytes, bytes.count - 1) >= 0 else { return "" }
        return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
