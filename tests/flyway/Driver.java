import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import javax.sql.DataSource;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.MigrationInfo;
import org.flywaydb.core.api.configuration.FluentConfiguration;
import org.flywaydb.core.api.output.ValidateOutput;
import org.flywaydb.core.api.output.ValidateResult;
import org.flywaydb.core.extensibility.ConfigurationExtension;

/**
 * The real Flyway, told what to do line by line, so that one JVM serves a whole run of comparisons.
 *
 * A request is one line, its fields separated by tabs: a verb, then Flyway's own settings as key=value. The answer is lines of
 * fields separated by tabs, ended by "ok", or "failed" with the message. In fields \\, \t and \n are written with a backslash.
 *
 * "look" answers states and two verdicts at once: "row" lines are states, "pending" and "strict" lines what is wrong with
 * pending scripts passed over and with them counted. "race" migrates many databases at the same moment, one line for each.
 */
public class Driver {
    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        // Flyway's own words go to the log; the answers are ours alone.
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] fields = line.split("\t");
            Map<String, String> settings = new HashMap<>();
            for (int i = 1; i < fields.length; i++) {
                String[] pair = fields[i].split("=", 2);
                settings.put(unescape(pair[0]), unescape(pair[1]));
            }
            try {
                perform(fields[0], settings, out);
                out.print("ok\n");
            } catch (Exception | LinkageError error) {
                out.print("failed\t" + escape(said(error)) + "\n");
            }
            out.flush();
        }
    }

    private static String said(Throwable error) {
        StringBuilder said = new StringBuilder();
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            said.append(said.length() == 0 ? "" : " / ").append(cause.getMessage());
        }
        return said.toString();
    }

    private static void perform(String verb, Map<String, String> settings, PrintStream out) throws Exception {
        switch (verb) {
            case "migrate" -> load(settings).migrate();
            case "baseline" -> load(settings).baseline();
            case "repair" -> load(settings).repair();
            case "undo" -> load(settings).undo();
            case "info" -> info(load(settings), out);
            case "look" -> look(settings, out);
            case "race" -> race(settings, out);
            default -> throw new IllegalArgumentException("no verb: " + verb);
        }
    }

    private static void look(Map<String, String> settings, PrintStream out) throws ReflectiveOperationException, SQLException {
        String key = "flyway.ignoreMigrationPatterns";
        String patterns = settings.get(key);
        info(configure(settings).dataSource(Kept.of(settings)).load(), out);
        validate("strict", configure(settings).dataSource(Kept.of(settings)).load(), out);
        settings.put(key, patterns.isEmpty() ? "*:pending" : patterns + ",*:pending");
        validate("pending", configure(settings).dataSource(Kept.of(settings)).load(), out);
    }

    /** The setting "urls" names the databases; what else is set is for all of them. */
    private static void race(Map<String, String> settings, PrintStream out) throws Exception {
        List<Callable<Object>> all = new ArrayList<>();
        for (String url : settings.remove("flyway.urls").split(" ")) {
            Map<String, String> one = new HashMap<>(settings);
            one.put("flyway.url", url);
            Flyway flyway = load(one);
            all.add(flyway::migrate);
        }
        ExecutorService threads = Executors.newFixedThreadPool(all.size());
        for (Future<Object> one : threads.invokeAll(all)) {
            try {
                one.get();
                out.print("row\tok\n");
            } catch (java.util.concurrent.ExecutionException error) {
                out.print("row\t" + escape(said(error.getCause())) + "\n");
            }
        }
        threads.shutdown();
    }

    private static Flyway load(Map<String, String> settings) throws ReflectiveOperationException {
        return configure(settings).load();
    }

    /** The current major takes an engine's own settings only by its own classes; the older one has none of those. */
    private static FluentConfiguration configure(Map<String, String> settings) throws ReflectiveOperationException {
        String own = "org.flywaydb.database.postgresql.PostgreSQLConfigurationExtension";
        Class<? extends ConfigurationExtension> extension;
        try {
            extension = Class.forName(own).asSubclass(ConfigurationExtension.class);
        } catch (ClassNotFoundException older) {
            return Flyway.configure().configuration(settings);
        }
        Map<String, String> rest = new HashMap<>(settings);
        String lock = rest.remove("flyway.postgresql.transactional.lock");
        FluentConfiguration configuration = Flyway.configure().configuration(rest);
        Object one = configuration.getClass().getMethod("getConfigurationExtension", Class.class).invoke(configuration, extension);
        extension.getMethod("setTransactionalLock", boolean.class).invoke(one, Boolean.parseBoolean(lock));
        return configuration;
    }

    private static void info(Flyway flyway, PrintStream out) {
        for (MigrationInfo one : flyway.info().all()) {
            Object[] fields = {
                one.getState().getDisplayName(), one.getVersion(), one.getDescription(), one.getType().name(), one.getScript(),
                one.getInstalledRank(), one.getChecksum()
            };
            StringBuilder line = new StringBuilder("row");
            for (Object field : fields) {
                line.append('\t').append(field == null ? "-" : escape(field.toString()));
            }
            out.print(line.append('\n'));
        }
    }

    private static void validate(String tag, Flyway flyway, PrintStream out) {
        ValidateResult result = flyway.validateWithResult();
        if (result.invalidMigrations != null) {
            for (ValidateOutput one : result.invalidMigrations) {
                out.print(tag + "\t" + one.errorDetails.errorCode + "\t" + escape(one.errorDetails.errorMessage) + "\n");
            }
        }
        if (result.errorDetails != null && !result.validationSuccessful && (result.invalidMigrations == null || result.invalidMigrations.isEmpty())) {
            out.print(tag + "\t" + result.errorDetails.errorCode + "\t" + escape(result.errorDetails.errorMessage) + "\n");
        }
    }

    private static String escape(String text) {
        return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n");
    }

    private static String unescape(String text) {
        return text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\");
    }

    /**
     * Connections that are used again, to the databases looked at last: looking leaves nothing behind in a session. What
     * changes a database has fresh ones, as Flyway makes them.
     */
    private static final class Kept {
        private static final int DATABASES = 12;
        private static final Map<String, Deque<Connection>> idle = new LinkedHashMap<>(16, 0.75f, true);

        static DataSource of(Map<String, String> settings) throws SQLException {
            String url = settings.get("flyway.url");
            String user = settings.get("flyway.user");
            Deque<Connection> ours = idle.computeIfAbsent(url, key -> new ArrayDeque<>());
            if (idle.size() > DATABASES) {
                String eldest = idle.keySet().iterator().next();
                for (Connection connection : idle.remove(eldest)) {
                    connection.close();
                }
            }
            return (DataSource) Proxy.newProxyInstance(Driver.class.getClassLoader(), new Class<?>[] {DataSource.class}, (self, method, arguments) -> {
                switch (method.getName()) {
                    case "getConnection":
                        Connection connection = ours.poll();
                        return kept(ours, connection == null ? DriverManager.getConnection(url, user, null) : connection);
                    case "toString":
                        return url;
                    default:
                        throw new UnsupportedOperationException(method.getName());
                }
            });
        }

        private static Connection kept(Deque<Connection> ours, Connection connection) {
            boolean[] closed = {false};
            return (Connection) Proxy.newProxyInstance(Driver.class.getClassLoader(), new Class<?>[] {Connection.class}, (self, method, arguments) -> {
                if (method.getName().equals("isClosed")) {
                    return closed[0];
                }
                if (method.getName().equals("close")) {
                    if (!closed[0]) {
                        closed[0] = true;
                        if (!connection.getAutoCommit()) {
                            connection.rollback();
                            connection.setAutoCommit(true);
                        }
                        ours.push(connection);
                    }
                    return null;
                }
                try {
                    return method.invoke(connection, arguments);
                } catch (InvocationTargetException error) {
                    throw error.getCause();
                }
            });
        }
    }
}
