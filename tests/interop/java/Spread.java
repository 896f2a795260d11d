import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.common.Node;

/**
 * Creates topics and waits until every broker knows them. As with Kafka, each broker hears of a new
 * topic in its own time, and a client asks any of them: what comes next would fail now and then.
 */
final class Spread {
    private Spread() {}

    static void create(Admin admin, String topic, int partitions) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 3))).all().get();
        everywhere(admin, topic);
    }

    static void everywhere(Admin admin, String topic) throws Exception {
        for (Node node : admin.describeCluster().nodes().get()) {
            Report.eventually(topic + " at broker " + node.id(), () -> knows(node, topic));
        }
    }

    /** Asks one broker, by Metadata version 4: Java's clients do not let a caller choose. */
    private static boolean knows(Node node, String topic) throws IOException {
        ByteBuffer request = ByteBuffer.allocate(512);
        request.putShort((short) 3).putShort((short) 4).putInt(1).putShort((short) -1);
        byte[] name = topic.getBytes(StandardCharsets.UTF_8);
        request.putInt(1).putShort((short) name.length).put(name).put((byte) 0);
        try (Socket socket = new Socket(node.host(), node.port())) {
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            out.writeInt(request.position());
            out.write(request.array(), 0, request.position());
            out.flush();
            DataInputStream in = new DataInputStream(socket.getInputStream());
            in.readInt();
            in.readInt();
            in.readInt();
            int brokers = in.readInt();
            for (int i = 0; i < brokers; i++) {
                in.readInt();
                string(in);
                in.readInt();
                string(in);
            }
            string(in);
            in.readInt();
            in.readInt();
            return in.readShort() == 0;
        }
    }

    private static void string(DataInputStream in) throws IOException {
        int length = in.readShort();
        in.skipBytes(Math.max(length, 0));
    }
}
