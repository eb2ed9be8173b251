import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.Header;
import io.debezium.engine.format.Json;
import java.io.FileOutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.Properties;
import java.util.StringJoiner;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** Dump PORT RUN FILE [SETTING=VALUE ...]: writes what Debezium's engine makes of a database, until there is a row in the table "done". */
public class Dump {
  private static final String[] ALWAYS = {
    "name=e", "connector.class=io.debezium.connector.postgresql.PostgresConnector", "plugin.name=pgoutput", "slot.name=dbz",
    "offset.storage=org.apache.kafka.connect.storage.MemoryOffsetBackingStore", "database.hostname=localhost", "database.user=postgres",
    "database.password=x", "database.dbname=app", "topic.prefix=srv", "poll.interval.ms=100", "key.converter.schemas.enable=false",
    "value.converter.schemas.enable=false", "header.converter.schemas.enable=false"
  };

  public static void main(String[] arguments) throws Exception {
    Properties settings = new Properties();
    settings.setProperty("database.port", arguments[0]);
    for (String[] some : new String[][] {ALWAYS, Arrays.copyOfRange(arguments, 3, arguments.length)})
      for (String setting : some) settings.setProperty(setting.substring(0, setting.indexOf('=')), setting.substring(setting.indexOf('=') + 1));
    PrintWriter file = new PrintWriter(new OutputStreamWriter(new FileOutputStream(arguments[2], true), "UTF-8"), true);
    CountDownLatch end = new CountDownLatch(1);
    DebeziumEngine<ChangeEvent<String, String>> engine = DebeziumEngine.create(Json.class, Json.class, Json.class)
        .using(settings)
        .using((succeeded, message, error) -> { System.err.println(message + " " + error); end.countDown(); })
        .notifying((ChangeEvent<String, String> event) -> {
          StringJoiner headers = new StringJoiner(",", "[", "]");
          for (Header<?> header : event.headers())
            if (header.getKey().endsWith("key")) headers.add("{\"" + header.getKey() + "\":" + header.getValue() + "}");
          file.println("{\"run\":\"" + arguments[1] + "\",\"destination\":\"" + event.destination() + "\",\"headers\":" + headers
              + ",\"key\":" + event.key() + ",\"value\":" + event.value() + "}");
          if (event.destination().endsWith(".public.done")) end.countDown();
        }).build();
    Executors.newSingleThreadExecutor().execute(engine);
    end.await(120, TimeUnit.SECONDS);
    Thread.sleep(500);
    engine.close();
    System.exit(0);
  }
}
