import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.Socket;
import java.net.SocketException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.message.RequestHeaderData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.requests.ResponseHeader;

/**
 * Sends requests as they are written, sensible or not, and prints the answers. Arguments: HOST PORT.
 * A line of input is the name of an API, a version, and the request in the JSON form of Kafka's own
 * schemas; a line of output the answer in that form, or {@code "closed"} if the connection ended.
 * The API {@code names} is answered here: the names of all that brokers serve, by key.
 */
final class Ask {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String MESSAGES = "org.apache.kafka.common.message.";

    private final String host;
    private final int port;
    private Socket socket;
    private int asked;

    private Ask(String host, int port) {
        this.host = host;
        this.port = port;
    }

    public static void main(String[] args) throws Exception {
        Ask ask = new Ask(args[0], Integer.parseInt(args[1]));
        var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ", 3);
            output.println(ask.answer(words[0], Short.parseShort(words[1]), words[2]));
        }
    }

    private static String names() {
        var names = JSON.createObjectNode();
        for (ApiKeys key : ApiKeys.brokerApis()) {
            names.put(Short.toString(key.id), key.name);
        }
        return names.toString();
    }

    private String answer(String api, short version, String request) throws Exception {
        if (api.equals("names")) {
            return names();
        }
        ApiMessage message = read(api + "RequestData", JSON.readTree(request), version);
        ApiKeys key = ApiKeys.forId(message.apiKey());
        ApiMessageType type = ApiMessageType.fromApiKey(key.id);
        RequestHeaderData header = new RequestHeaderData()
                .setRequestApiKey(key.id)
                .setRequestApiVersion(version)
                .setClientId("differential")
                .setCorrelationId(asked++);
        ByteBuffer head = MessageUtil
                .toByteBufferAccessor(header, type.requestHeaderVersion(version)).buffer();
        ByteBuffer body = MessageUtil.toByteBufferAccessor(message, version).buffer();
        ByteBuffer answer;
        try {
            answer = exchange(head, body);
        } catch (EOFException | SocketException ended) {
            if (socket != null) {
                socket.close();
            }
            socket = null;
            return "\"closed\"";
        }
        ResponseHeader.parse(answer, type.responseHeaderVersion(version));
        ApiMessage response = type.newResponse();
        response.read(new ByteBufferAccessor(answer), version);
        return write(api + "ResponseData", response, version).toString();
    }

    private ByteBuffer exchange(ByteBuffer head, ByteBuffer body) throws IOException {
        if (socket == null) {
            socket = new Socket(host, port);
            socket.setSoTimeout(60_000);
        }
        ByteBuffer frame = ByteBuffer.allocate(4 + head.remaining() + body.remaining());
        frame.putInt(head.remaining() + body.remaining()).put(head).put(body);
        new DataOutputStream(socket.getOutputStream()).write(frame.array());
        DataInputStream input = new DataInputStream(socket.getInputStream());
        byte[] answer = new byte[input.readInt()];
        input.readFully(answer);
        return ByteBuffer.wrap(answer);
    }

    private static ApiMessage read(String name, JsonNode node, short version) throws Exception {
        Class<?> converter = Class.forName(MESSAGES + name + "JsonConverter");
        var read = converter.getMethod("read", JsonNode.class, short.class);
        return (ApiMessage) call(() -> read.invoke(null, node, version));
    }

    private static JsonNode write(String name, ApiMessage message, short version) throws Exception {
        Class<?> converter = Class.forName(MESSAGES + name + "JsonConverter");
        var write = converter.getMethod("write", message.getClass(), short.class);
        return (JsonNode) call(() -> write.invoke(null, message, version));
    }

    private interface Call {
        Object call() throws ReflectiveOperationException;
    }

    private static Object call(Call call) throws Exception {
        try {
            return call.call();
        } catch (InvocationTargetException wrapped) {
            throw new IllegalArgumentException(wrapped.getCause());
        }
    }
}
